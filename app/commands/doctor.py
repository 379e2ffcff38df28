"""The command `task-timer doctor`: check the database for inconsistencies, while the service is running or stopped."""

from collections.abc import Awaitable, Callable

from app.commands.database_session import run_with_database
from app.config import Settings
from app.database.deadlines import without_deadline
from app.errors import CommandError
from app.plural import pluralize
from documents.maintenance.inspection import has_newer_schema
from documents.registry import open_database_without_setup
from services.maintenance.doctor import Examination


class DoctorError(CommandError):
    """The database cannot be checked."""


def run_doctor(settings: Settings, *, repair: bool, write_line: Callable[[str], object]) -> bool:
    """Check the database, and return whether no inconsistency is left.

    `write_line` gets a line for each inconsistency, and the totals. Raises DoctorError or EmbeddedStoreError.
    """

    def examine() -> Awaitable[bool]:
        return _examine(repair=repair, write_line=write_line)

    with without_deadline():
        return run_with_database(settings, open_database_without_setup, examine, failure=DoctorError)


async def _examine(*, repair: bool, write_line: Callable[[str], object]) -> bool:
    if await has_newer_schema():
        raise DoctorError("A later version of Task Timer has used this database: run the doctor of that version.")
    examination, found, repaired = Examination(repair=repair), 0, 0
    async for finding in examination.findings():
        found += 1
        repaired += finding.repaired
        write_line(str(finding))
    write_line(_summary(examination, found, repaired))
    return found == repaired


def _summary(examination: Examination, found: int, repaired: int) -> str:
    tasks = pluralize(examination.tasks, "task")
    checked = f"{tasks} and {pluralize(examination.entries, 'entry', 'entries')} checked"
    if not found:
        return f"{checked}, no inconsistency found."
    result = f"{checked}, {pluralize(found, 'inconsistency', 'inconsistencies')} found"
    return f"{result}, {repaired:,} of them repaired." if repaired else f"{result}."
