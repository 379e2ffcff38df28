"""The types of the changes to a user's data, which the change feed lists and webhooks deliver."""

from typing import Literal, get_args

from typing_extensions import TypeAliasType

ChangeType = TypeAliasType(
    "ChangeType",
    Literal[
        "task.created",
        "task.updated",
        "task.trashed",
        "task.restored",
        "timer.started",
        "timer.corrected",
        "timer.stopped",
        "timer.discarded",
        "entry.created",
        "entry.updated",
        "entry.split",
        "entry.moved",
        "entry.deleted",
        "entry.restored",
        "project.created",
        "project.updated",
        "project.deleted",
        "tag.renamed",
        "import.finished",
        "import.undone",
        "user.updated",
    ],
)

CHANGE_TYPES: tuple[ChangeType, ...] = get_args(ChangeType.__value__)
