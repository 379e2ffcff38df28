"""The changes of imports for the feed. The projects, tasks and entries of an import cause no changes of their own."""

from collections.abc import Sequence

from documents.common.base import Row
from documents.common.change_types import ChangeType
from documents.common.outbox import outbox_item
from services.transfer.schemas.imports import MAX_MESSAGES_IN_LIST, read_import

_MESSAGES = ("errors", "notices", "left_out", "ignored_columns")


def import_finished(batch: Row) -> Sequence[Row]:
    """Describe the end of an import, successful or not."""
    return [_of_import("import.finished", batch)]


def import_undone(batch: Row) -> Sequence[Row]:
    """Describe the end of an undo."""
    return [_of_import("import.undone", batch)]


def import_interrupted(batch: Row) -> Sequence[Row]:
    """Describe the end of an attempt to import a file, or to undo an import. It may have written a part.

    A background import is continued without another request, so its interruption is no change.
    """
    if "background" in batch:
        return ()
    return import_undone(batch) if batch["state"] == "being_undone" else import_finished(batch)


def _of_import(type: ChangeType, batch: Row) -> Row:  # noqa: A002 -- the name of the field
    """Return the item with the import as the list of imports shows it: with a limited number of messages."""
    shown = {**batch, **{name: batch[name][:MAX_MESSAGES_IN_LIST] for name in _MESSAGES if name in batch}}
    return outbox_item(type, read_import(shown), import_id=batch["_id"])
