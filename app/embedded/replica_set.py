"""The replica set of one that an embedded mongod is: transactions need one."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.embedded.liveness import LOOPBACK

REPLICA_SET = "task-timer"

_PRIMARY_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.05
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23


def make_primary(url: str, port: int, stopping: threading.Event) -> bool:
    """Make the mongod the primary of its replica set of one, on the port of today; False when it does not become it."""
    # Only a mongod needs the driver here, and it is slow to import.
    from pymongo import MongoClient  # noqa: PLC0415

    deadline = time.monotonic() + _PRIMARY_PATIENCE_SECONDS
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5000) as client:
        while not client.admin.command("hello").get("isWritablePrimary"):
            if stopping.is_set() or time.monotonic() > deadline:
                return False
            configure_replica_set(client.admin.command, f"{LOOPBACK}:{port}")
            stopping.wait(_POLL_SECONDS)
    return True


def configure_replica_set(command: Callable[..., Mapping[str, Any]], member: str) -> None:
    """Begin the replica set, or tell it of another address of its one member; `command` runs one as administrator."""
    from pymongo.errors import OperationFailure  # noqa: PLC0415

    try:
        config = command("replSetGetConfig")["config"]
        if config["members"][0]["host"] != member:
            config["members"][0]["host"] = member
            config["version"] += 1
            command("replSetReconfig", config, force=True)
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        _begin_replica_set(command, member)


def _begin_replica_set(command: Callable[..., Mapping[str, Any]], member: str) -> None:
    from pymongo.errors import OperationFailure  # noqa: PLC0415

    try:
        command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:  # it is still reading the one it has
            raise
