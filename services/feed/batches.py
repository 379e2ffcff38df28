"""The batch of changes that the relay makes of the outboxes it has read."""

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from bson import ObjectId
from pydantic import ValidationError

from documents.common.base import Row
from documents.common.outbox import OutboxItem
from documents.feed.outboxes import CopiedItems, Outbox

CHANGE_FIELDS = tuple(name for name in OutboxItem.model_fields if name != "id")


@dataclass(frozen=True, slots=True)
class Batch:
    """The items to copy, in the order of the feed, each with its user. `has_more` is false if nothing else is left."""

    items: list[tuple[ObjectId, Row]]
    outboxes: list[CopiedItems]
    has_more: bool


def is_valid(outbox: Outbox) -> bool:
    """Return whether the relay can copy the outbox. One that another program has written may be invalid."""
    if outbox.items is None or not isinstance(outbox.user_id, ObjectId):
        return False
    try:
        for item in outbox.items:
            OutboxItem.model_validate(item, strict=True)
    except ValidationError:
        return False
    return True


def make_batch(outboxes: Sequence[Outbox], *, limit: int, removing: Collection[ObjectId] = ()) -> Batch:
    """Return the batch of these valid outboxes, ordered by `since`. The last one of more than `limit` is left out.

    The items with the ids `removing` are left out, because they are stored as changes already. The batch is empty if
    it depends on items behind them.

    The order inside an outbox does not change. Items of different outboxes are ordered by the time of the change, so
    the batch ends where an item that was not read may come next.
    """
    read = [(outbox, outbox.items or []) for outbox in outboxes[:limit]]
    ends = [max(map(_occurred_at, items)) for outbox, items in read if len(items) < outbox.size]
    ends += [outbox.since for outbox in outboxes[limit:]]
    end = min(ends, default=datetime.max)  # noqa: DTZ901 -- compared with naive UTC
    new = [_without(outbox, items, removing) for outbox, items in read if not items or not _are_all_in(items, removing)]
    is_behind = any(item["id"] in removing for _, items in read for item in items)
    included = [[*takewhile(lambda item: item["occurred_at"] <= end, items)] for _, items in new]
    if not is_behind and not any(included):  # the clocks of two workers differ: times in an outbox do not ascend
        included = [items for _, items in new]
    merged = heapq.merge(
        *(_with_user(outbox.user_id, items) for (outbox, _), items in zip(new, included, strict=True)),
        key=lambda pair: (pair[1]["occurred_at"], pair[1]["id"]),
    )
    copied = [
        CopiedItems(outbox, [item["id"] for item in items])
        for (outbox, _), items in zip(new, included, strict=True)
        if items or not outbox.size
    ]
    is_whole = not ends and all(outbox.size == len(items) for (outbox, _), items in zip(new, included, strict=True))
    return Batch(list(merged), copied, has_more=not is_whole)


def _are_all_in(items: list[Row], ids: Collection[ObjectId]) -> bool:
    return all(item["id"] in ids for item in items)


def _without(outbox: Outbox, items: list[Row], ids: Collection[ObjectId]) -> tuple[Outbox, list[Row]]:
    """Return the outbox without the items with these ids, as it is when they are removed."""
    if not ids:
        return outbox, items
    new = [item for item in items if item["id"] not in ids]
    return replace(outbox, size=outbox.size - len(items) + len(new)), new


def _occurred_at(item: Row) -> datetime:
    occurred_at: datetime = item["occurred_at"]
    return occurred_at


def _with_user(user_id: ObjectId, items: Sequence[Row]) -> Iterator[tuple[ObjectId, Row]]:
    return ((user_id, item) for item in items)
