"""Counts at the end: payments per wish, pictures against bytes sent, ledger against bills, catalogue against disk."""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .clients import Chat, Fate, Home
from .exchange import Bill
from .kinds import KINDS
from .wishes import Round, Wish

NAMES = {
    "answered": "every call gets an answer",
    "paid": "no wish is paid twice",
    "kept": "a picture that was sent whole is on the disk",
    "told": "a picture that an answer names has these bytes, and is its own",
    "listed": "a picture that an answer names is in the catalogue",
    "ledger": "the ledger has at least what was billed",
    "closed": "no job and no charge stays open",
    "ended": "a server goes with exit code 0",
    "clean": "library check finds nothing",
    "left": "no file is left over",
    "sound": "the database is sound",
}
"""The invariants, in the order of the table."""

RAW_START = 200
"""Bytes of a body by which its raw file is recognised."""


@dataclass(frozen=True)
class Violation:
    """One thing that does not hold."""

    invariant: str
    what: str
    fate: Fate | None = None
    round: Round | None = None


@dataclass
class Count:
    """How much was looked at, and what does not hold."""

    checked: Counter[str] = field(default_factory=Counter[str])
    violations: list[Violation] = field(default_factory=list[Violation])

    def hold(self, invariant: str, is_so: bool, what: str, fate: Fate | None = None, at: Round | None = None) -> None:
        """Count one case."""
        self.checked[invariant] += 1
        if not is_so:
            self.violations.append(Violation(invariant, what, fate, at))


class Disk:
    """The files below the home's folders, by what is in them."""

    def __init__(self, home: Home) -> None:
        """Read them all."""
        self.digests: dict[Path, str] = {}
        self.raw: list[bytes] = []
        self.over: list[Path] = []
        """Part files, and what was put into the folder for temporary files."""
        for name in ("pictures", "elsewhere", "home", "data", "tmp"):
            for path in sorted((home.root / name).rglob("*")):
                if path.is_file() and "gpt-image-2.db" not in path.name:
                    self._add(path, is_temporary=name == "tmp")
        self._contents = set(self.digests.values())

    def _add(self, path: Path, *, is_temporary: bool) -> None:
        data = path.read_bytes()
        if is_temporary or path.name.endswith(".part") or path.name.startswith(".gpt-image-2-"):
            self.over.append(path)
        self.digests[path] = _digest(data)
        if path.suffix not in (".json", ".png", ".jpg", ".jpeg", ".webp"):
            self.raw.append(data)

    def has(self, data: bytes) -> bool:
        """Whether a file has exactly these bytes."""
        return _digest(data) in self._contents

    def has_raw(self, content: bytes) -> bool:
        """Whether an answer's body was kept as it came."""
        return any(content[:RAW_START] in data for data in self.raw)


def counted(home: Home, chats: Sequence[Chat], bills: Sequence[Bill], check: Mapping[str, Any]) -> Count:
    """Count everything, after the last server has ended."""
    count = Count()
    disk, database = Disk(home), _Database.read(home)
    fates = {name: fate for chat in chats for name, fate in chat.fates.items()}
    billed: defaultdict[str, list[Bill]] = defaultdict(list[Bill])
    for bill in bills:
        billed[bill.wish].append(bill)
    owners = {_digest(data): fates[bill.wish] for bill in bills for data in (*bill.made, *bill.whole)}
    for fate in fates.values():
        count.hold("answered", fate.is_answered, "no answer", fate)
        _count_bills(count, fate, billed[fate.wish.id], disk, database)
        _count_answer(count, fate, owners, database)
    for chat in chats:
        for one, wrong in chat.endings:
            count.hold("ended", not wrong, f"{one.ending}: {wrong}", at=one)
    for table, states in (("jobs", ("queued", "sent")), ("charges", ("reserved", "sent"))):
        for row in database.rows[table]:
            fate = fates.get(database.wish_of(row["id"] if table == "jobs" else row["job"]))
            count.hold("closed", row["state"] not in states, f"{table}: {row['state']}", fate)
    _count_files(count, check, disk, owners)
    count.hold("sound", database.integrity == "ok", database.integrity)
    return count


def _count_bills(count: Count, fate: Fate, bills: Sequence[Bill], disk: Disk, database: "_Database") -> None:
    paid = sum(bill.pictures for bill in bills)
    requests = sum(bill.pictures > 0 for bill in bills)
    what = f"{paid} pictures billed in {requests} requests, {fate.wish.n} wished"
    count.hold("paid", paid <= fate.wish.n, f"{what}; {database.jobs_for(fate.wish)}", fate)
    for bill in bills if not fate.was_killed else ():
        missing = sum(not disk.has(data) for data in bill.whole)
        if KINDS[fate.wish.kind].is_kept_raw and (missing or not bill.whole):
            count.hold("kept", disk.has_raw(bill.content), "its body is not kept", fate)
        elif bill.whole:
            raw = "their raw body is" if disk.has_raw(bill.content) else "nor is their raw body"
            count.hold("kept", not missing, f"{missing} of {len(bill.whole)} pictures not on the disk; {raw}", fate)
    due = sum(bill.nano_usd for bill in bills)
    if due:
        spent, states = database.spent_on(fate.wish.id)
        count.hold("ledger", spent >= due, f"${due / 1e9:.4f} billed, ${spent / 1e9:.4f} in the ledger {states}", fate)


def _count_answer(count: Count, fate: Fate, owners: Mapping[str, Fate], database: "_Database") -> None:
    for image in fate.images:
        path = Path(image["file_path"])
        digest = _digest(path.read_bytes()) if path.is_file() else "no file"
        owner = owners.get(digest)
        of = owner.wish.kind if owner else "nothing that was sent"
        is_right = digest == image["sha256"] and owner is fate
        count.hold("told", is_right, f"{path.name} has the bytes of {of!r}", fate)
        count.hold("listed", image["id"] in database.pictures, f"{image['id']} has no row", fate)


def _count_files(count: Count, check: Mapping[str, Any], disk: Disk, owners: Mapping[str, Fate]) -> None:
    count.checked["clean"] = check["pictures"]
    for kind in ("missing", "changed", "unrecorded", "unknown"):
        for finding in check[kind]:
            fate = owners.get(disk.digests.get(Path(finding["file_path"]), ""))
            named = {image["id"] for image in fate.images} if fate else set[str]()
            if kind == "unknown" and fate and fate.was_killed and finding["id"] not in named:
                # Saved in the moment of the kill, and in no answer yet: there is no record that could be missing.
                count.checked["rescued"] += 1
                continue
            count.violations.append(Violation("clean", f"{kind}: {finding}", fate))
    count.checked["left"] = len(disk.digests)
    count.violations += [Violation("left", str(path)) for path in disk.over]


@dataclass
class _Database:
    """What the database says."""

    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    integrity: str

    @classmethod
    def read(cls, home: Home) -> "_Database":
        (path,) = (home.root / "data").rglob("gpt-image-2.db")
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            integrity = "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
            rows = {
                table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - names above
                for table in ("jobs", "charges", "pictures")
            }
        return cls(rows, integrity)

    def __post_init__(self) -> None:
        self.pictures = {row["id"] for row in self.rows["pictures"]}
        self._wishes = {row["id"]: _wish_in(row["request"]) for row in self.rows["jobs"]}

    def wish_of(self, job: str | None) -> str:
        """The wish that a job was for."""
        return self._wishes.get(job or "", "")

    def jobs_for(self, wish: Wish) -> str:
        """The jobs for a wish, as their rows are."""
        names = ("id", "owner", "state", "created_us", "ended_us", "given_up", "fetched")
        found = [row for row in self.rows["jobs"] if self._wishes[row["id"]] == wish.id]
        return "; ".join(" ".join(f"{name}={row[name]}" for name in names) for row in found)

    def spent_on(self, wish: str) -> tuple[int, list[str]]:
        """What the ledger says was spent on a wish in nano-dollars, and the states of its charges."""
        charges = [row for row in self.rows["charges"] if self.wish_of(row["job"]) == wish]
        spent = [row for row in charges if row["state"] in ("sent", "settled", "unknown")]
        nano = sum(row["estimate_nano_usd"] if row["nano_usd"] is None else row["nano_usd"] for row in spent)
        return nano, [row["state"] for row in charges]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _wish_in(request: str) -> str:
    text = json.dumps(json.loads(request))
    return text.partition("wish-")[2].split('"')[0].split()[0] if "wish-" in text else ""


def table(count: Count, pending: Sequence[Violation]) -> str:
    """The table that a person reads; `pending` are the violations that are known."""
    known = Counter(one.invariant for one in pending)
    violated = Counter(one.invariant for one in count.violations)
    lines = [f"{'':64}{'checked':>8}{'violated':>9}{'pending':>8}"]
    lines += [
        f"{words:64}{count.checked[name]:>8}{violated[name] - known[name]:>9}{known[name]:>8}"
        for name, words in NAMES.items()
    ]
    lines.append(f"saved as a server was killed, unanswered and without a record: {count.checked['rescued']}")
    return "\n".join(lines)


def described(one: Violation) -> str:
    """One line about a violation."""
    if one.fate is None:
        return f"- {one.invariant}: {one.what}" + (f" (round {one.round.number})" if one.round else "")
    wish = one.fate.wish
    who = f"{wish.kind!r}, {wish.tool}, n={wish.n}, {wish.action}, {one.fate.ending} (wish-{wish.id})"
    return f"- {one.invariant}: {who}: {one.what}. Answers: {[text[:300] for text in one.fate.answers]}"
