"""`JobEnd`: what the transaction at a job's end writes, as a value.

If the database cannot be written, the value waits as a line in the spool, and the same code writes it later. Importing
this module imports SQLAlchemy, so the `Recorder` does it in the writer thread.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from ..billing.budgets import ChargeEnd
from ..catalogue.job_table import JobRow
from ..catalogue.picture_record import Picture, SessionPosition
from ..catalogue.session import ENDED_MEANWHILE, ORIGINALS, BeginSession, ExtendSession, Session, Turn, tree
from ..catalogue.stored_file_table import StoredFile
from ..jobs.report import Report
from ..jobs.serialization import stored_report
from ..persistence.unit_of_work import Repositories

NO_TURN = "The session does not go on from this picture, which cannot be edited: ask for the same turn again."
NO_SESSION = "No session was begun, since this picture cannot be edited. Begin one again with start_edit_session."


@dataclass(frozen=True, slots=True)
class JobEnd:
    """The end of a charge and of a job, the pictures that it made, and their step in a session."""

    charge: ChargeEnd | None = None
    job: JobRow | None = None
    pictures: tuple[Picture, ...] = ()
    step: BeginSession | ExtendSession | None = None
    report: Report | None = None
    """The outcome of a job that is done, as far as it is known before the pictures have a position in the session."""
    stored: tuple[StoredFile, ...] = ()
    """On a server, where its files are in the picture store."""

    @property
    def turn(self) -> str | None:
        """The id of the picture that becomes the session's turn.

        A backend may send more pictures than asked for: the first that can be edited is the turn, the others stand
        beside. If none can be, the session stays where it is. A composite comes before the pictures of the model, so
        that what drifts in them does not add up over the turns. One that was only brought to another size is none.
        """
        own = [picture for picture in self.pictures if not picture.record.is_derived]
        found = sorted(own, key=lambda picture: not picture.record.is_composite)
        return next((picture.id for picture in found if picture.record.can_be_shown), None)

    def write(self, repositories: Repositories, *, charge: int | None = None, is_late: bool = False) -> "JobEnd":
        """Write all of it in one transaction; gives it completed with the position in the session.

        `charge` is the id of the charge's row, where it is known. `is_late` says that it comes out of the spool: the
        pictures were made before. Doing it again writes nothing twice.

        Raises:
            DatabaseUnusable: the database cannot be written.

        """
        with repositories.transaction():
            if self.charge:
                repositories.ledger.end(self.charge, charge=charge)
            return self.write_catalogue(repositories, is_late=is_late)

    def write_catalogue(self, repositories: Repositories, *, is_late: bool = False) -> "JobEnd":
        """Write all but the charge; returns and raises as `write` does."""
        turn = self.turn
        with repositories.unit_of_work() as unit:
            # It is there if the connection broke during the commit of an earlier try: then so is everything else.
            written = unit.pictures.get(turn) if turn else None
            if written:
                position = written.record.position
            else:
                position = unit.sessions.apply(self.step) if self.step and turn else None
            # A session is as old as its newest picture, also in a catalogue that is made again from the records.
            end = self.placed_at(position) if is_late or written else self.placed_at(position).made_at(unit.now)
            for picture in end.pictures:
                unit.pictures.add(picture)
            if end.stored:
                unit.stored_files.add(end.stored)
            session = unit.sessions.get(position.session_id) if position else None
            end = end.told(position, session)
            if end.job:
                unit.jobs.catch_up(replace(end.job, outcome=stored_report(end.report)) if end.report else end.job)
        return end

    def foreseen(self) -> "JobEnd":
        """Complete it as the database will have it: the first turn of a session has its position before."""
        if not isinstance(self.step, BeginSession) or self.turn is None:
            return self
        position = SessionPosition(session_id=self.step.session_id, turn=1, parent=ORIGINALS)
        end = self.placed_at(position)
        first = next(picture for picture in end.pictures if picture.id == end.turn)
        turns = (Turn(first, position),)
        session = Session(position.session_id, first.made, first.made, self.step.folder, turns, head_number=1)
        return end.told(position, session)

    def as_line(self) -> dict[str, Any]:
        """The value as JSON for the spool."""
        report = self.report and replace(self.report, previews={}, links=None)
        return {"end": _adapter().dump_python(replace(self, report=report), mode="json", by_alias=True)}

    def placed_at(self, position: SessionPosition | None) -> "JobEnd":
        """Give the turn's picture its position."""

        def placed(picture: Picture) -> Picture:
            here = {"position": position if picture.id == self.turn else None}
            return picture.model_copy(update={"record": picture.record.model_copy(update=here)})

        return replace(self, pictures=tuple(map(placed, self.pictures)))

    def made_at(self, now: datetime) -> "JobEnd":
        """Give the pictures the time of the transaction that lists them."""

        def dated(picture: Picture) -> Picture:
            return picture.model_copy(update={"record": picture.record.model_copy(update={"made": now})})

        return replace(self, pictures=tuple(map(dated, self.pictures)))

    def told(self, position: SessionPosition | None, session: Session | None) -> "JobEnd":
        """Complete the report with what became of the step in the session."""
        report = self.report
        if report is None:
            return self
        if session:
            report = replace(report, position=position, tree=tree(session))
        elif self.step and self.turn is None:
            warning = NO_SESSION if isinstance(self.step, BeginSession) else NO_TURN
            report = replace(report, warnings=(*report.warnings, warning))
        elif self.step:
            # The picture is listed without a session, which ended while it was made.
            report = replace(report, position=position, warnings=(*report.warnings, ENDED_MEANWHILE))
        return replace(self, report=report)


def read_line(line: Any) -> JobEnd:
    """Read what `JobEnd.as_line` gave, without its key; raises ValueError if it is none."""
    return _adapter().validate_python(line)


@cache
def _adapter() -> TypeAdapter[JobEnd]:
    return TypeAdapter(JobEnd)
