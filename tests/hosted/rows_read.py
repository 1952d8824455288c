"""How many rows PostgreSQL reads for each statement that the program runs, as the server itself counts them."""

import re
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

_COUNTED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b(?!.*(set_config|pg_advisory))", re.DOTALL)


@dataclass(frozen=True)
class Counted:
    """A statement that was run."""

    statement: str
    rows: int
    """Those of tables and indexes that were read, also where they turned out not to be wanted."""
    pages: int
    milliseconds: float
    plan: dict[str, Any]


@contextmanager
def counting(engine: sa.Engine) -> Generator[list[Counted]]:
    """Count each statement of the block: it is run once before, explained, and undone."""
    found: list[Counted] = []

    def explain(connection: sa.Connection, _: object, statement: str, values: Any, *__: object) -> None:
        if not _COUNTED.match(statement):
            return
        cursor: Any = connection.connection.cursor()
        with closing(cursor):
            cursor.execute("SAVEPOINT counting")
            explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            cursor.execute(explained, values[0] if isinstance(values, list) else values)
            ((top,),) = cursor.fetchone()
            cursor.execute("ROLLBACK TO counting")
            cursor.execute("RELEASE counting")
        pages = sum(top["Plan"][f"Shared {how} Blocks"] for how in ("Hit", "Read"))
        found.append(Counted(statement, _rows(top["Plan"]), pages, top["Execution Time"], top["Plan"]))

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def _rows(node: dict[str, Any]) -> int:
    below = sum(_rows(part) for part in node.get("Plans", ()))
    if "Scan" not in node["Node Type"] or node["Node Type"] in {"Subquery Scan", "CTE Scan"}:
        return below
    each = sum(node.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"))
    return below + round(each * node["Actual Loops"])
