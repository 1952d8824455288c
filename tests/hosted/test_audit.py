"""The audit: one line for each charge that has ended, which nothing changes."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from fault_proxy import until

from gpt_image_2_mcp.billing.audit_table import AuditLine, AuditTable
from gpt_image_2_mcp.billing.budgets import AuditNote, ChargeEnd, ChargeEntry, local_now
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database.people import EVERYONE
from gpt_image_2_mcp.database.store import Store, open_store
from gpt_image_2_mcp.database.url import PostgresUrl

from .team import ALICE, team

AGES_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(team_database: PostgresUrl) -> Iterator[Store]:
    """A team's database."""
    with closing(open_store(team_database)) as store:
        yield store


def lines(store: Store) -> list[AuditLine]:
    with store.of(EVERYONE).database.reading() as connection:
        return AuditTable(connection).page((AGES_AGO, 0), 100)[0]


def end(job: str, **changes: object) -> ChargeEnd:
    note = AuditNote("generate_image", "Claude 1", prompt=None)
    entry = ChargeEntry("gpt-image-2", "auto", "low", job=job)
    return ChargeEnd(entry, Decimal("0.01"), local_now(), **{"state": "settled", "audit": note, **changes})  # pyright: ignore[reportArgumentType]


def test_a_charge_that_ends_has_a_line_with_its_person_and_what_it_cost(store: Store) -> None:
    ledger = Ledger(store.of(ALICE))
    ledger.end(end("job-1", usd=Decimal("0.008"), request_id="req_1"), charge=None)
    (line,) = lines(store)
    assert (line.person, line.client, line.tool, line.job) == (ALICE, "Claude 1", "generate_image", "job-1")
    assert (line.estimate, line.usd, line.outcome) == (Decimal("0.01"), Decimal("0.008"), "settled")
    assert (line.request_id, line.prompt) == ("req_1", None)


def test_a_line_that_is_written_twice_is_there_once(store: Store) -> None:
    """As it is where the connection breaks during the commit."""
    ledger = Ledger(store.of(ALICE))
    for _ in range(2):
        ledger.end(end("job-1"), charge=None)
    assert len(lines(store)) == 1


def test_what_was_perhaps_billed_and_turns_out_later_has_both_lines(store: Store) -> None:
    ledger = Ledger(store.of(ALICE))
    ledger.end(end("job-1", state="unknown"), charge=None)
    ledger.end(end("job-1"), charge=None)
    assert [line.outcome for line in lines(store)] == ["unknown", "settled"]


def test_a_person_does_not_see_the_lines(store: Store) -> None:
    Ledger(store.of(ALICE)).end(end("job-1"), charge=None)
    with store.of(ALICE).database.reading() as connection:
        assert AuditTable(connection).page((AGES_AGO, 0), 100) == ([], None)


@pytest.mark.parametrize("statement", ["UPDATE audit SET outcome = 'released'", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("person", [ALICE, EVERYONE])
def test_the_database_refuses_to_change_a_line(
    store: Store, team_database: PostgresUrl, person: str, statement: str
) -> None:
    """Also to the owner of the table."""
    Ledger(store.of(ALICE)).end(end("job-1"), charge=None)
    with closing(psycopg.connect(team_database.text)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (person,))
        with pytest.raises(psycopg.errors.RaiseException, match="never changed or deleted"):
            connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert len(lines(store)) == 1


def test_a_charge_whose_process_was_killed_has_a_line_too(team_database: PostgresUrl) -> None:
    entry = ChargeEntry("gpt-image-2", "auto", "low", job="job-1")
    with closing(open_store(team_database)) as killed:
        Ledger(killed.of(ALICE)).reserve(entry, estimate=Decimal("0.01"), is_sent=True)
    with closing(psycopg.connect(team_database.text, autocommit=True)) as connection:
        connection.execute("DELETE FROM leases")
    with closing(open_store(team_database)) as other:
        until(lambda: bool(Ledger(other.of(EVERYONE)).recover()))
        assert [(line.person, line.job, line.outcome) for line in lines(other)] == [(ALICE, "job-1", "unknown")]


@pytest.mark.anyio
async def test_prompts_are_left_out_unless_they_are_asked_for(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with team(team_database, tmp_path, ALICE) as (alice,):
        await alice.draw("a red fox")
    with closing(open_store(team_database)) as store:
        (line,) = lines(store)
    assert (line.person, line.prompt, line.outcome) == (ALICE, None, "settled")
    assert line.client
    assert line.request_id
