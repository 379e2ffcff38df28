"""Prepares a `task-timer` process: the request that renames a tag causes an internal error."""

from services.tracking.tags import TagService


def prepare() -> None:
    """Replace the method that renames a tag."""
    setattr(TagService, TagService.rename.__name__, _fail)


async def _fail(*_arguments: object, **_keywords: object) -> None:
    raise RuntimeError("the cause, " + "hid" + "den")
