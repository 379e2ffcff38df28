"""What `task-timer doctor` does: the look through the database of these settings, which need not be in use."""

from collections.abc import Callable

from app.commands.database_session import run_with_database
from app.config import Settings
from app.database.deadlines import without_deadline
from app.errors import CommandError
from app.plural import pluralize
from documents.maintenance.inspection import has_newer_schema
from documents.registry import open_database_without_setup
from services.maintenance.doctor import Examination


class DoctorError(CommandError):
    """The database cannot be looked through."""


def run_doctor(settings: Settings, *, repair: bool, tell: Callable[[str], object]) -> bool:
    """Whether nothing is wrong in the end; `tell` is told of each thing that was, and of the whole.

    Raises ExaminationError or EmbeddedStoreError.
    """
    with without_deadline():
        return run_with_database(
            settings, open_database_without_setup, lambda: _examine(repair=repair, tell=tell), failure=DoctorError
        )


async def _examine(*, repair: bool, tell: Callable[[str], object]) -> bool:
    if await has_newer_schema():
        raise DoctorError("A later version of Task Timer has used this database: it needs the doctor of that one.")
    examination, wrong, mended = Examination(repair=repair), 0, 0
    async for finding in examination.findings():
        wrong += 1
        mended += finding.mended
        tell(str(finding))
    tell(_summary(examination, wrong, mended))
    return wrong == mended


def _summary(examination: Examination, wrong: int, mended: int) -> str:
    seen = f"{pluralize(examination.tasks, 'task')} and {pluralize(examination.entries, 'entry', 'entries')} checked"
    if not wrong:
        return f"{seen}, nothing wrong."
    found = f"{seen}, {pluralize(wrong, 'thing')} wrong"
    return f"{found}, {mended:,} of them mended." if mended else f"{found}."
