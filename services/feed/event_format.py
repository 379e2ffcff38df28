"""The format of server-sent events (WHATWG HTML, section 9.2.5)."""

from app.json_bytes import to_json

RETRY_MILLISECONDS = 2000
"""How long a client waits before it connects again."""

HEARTBEAT = b":\n\n"
"""A comment. Clients ignore it; it shows them and the proxies between that the connection works."""


def first_lines(seq: int) -> bytes:
    """Return the beginning of a stream: the retry time, and the id with which a client continues that got no event."""
    return b"retry: %d\nid: %d\n\n" % (RETRY_MILLISECONDS, seq)


def change_event(seq: int, type: str, change: bytes) -> bytes:  # noqa: A002 -- the name of the field
    """Return the event of a change. `change` is JSON on one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, type.encode(), change)


def reset_event(seq: int) -> bytes:
    """Return the event for a client that has missed changes. The stream continues after `seq`.

    It has data, because clients ignore an event without.
    """
    return b"id: %d\nevent: reset\ndata: %s\n\n" % (seq, to_json({"last_seq": seq}))


def heartbeat(seq: int | None) -> bytes:
    """Return a comment, with the id of the last change if that was left out by the filter."""
    return HEARTBEAT if seq is None else b"id: %d\n%s" % (seq, HEARTBEAT)
