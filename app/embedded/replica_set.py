"""The replica set with one member that an embedded mongod needs: MongoDB has no transactions without one."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.embedded.liveness import LOOPBACK

REPLICA_SET = "task-timer"

_PRIMARY_TIMEOUT_SECONDS = 30.0
_POLL_INTERVAL_SECONDS = 0.05
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23


def make_primary(url: str, port: int, stopping: threading.Event) -> bool:
    """Make the mongod on this port the primary of its replica set. Return False if that fails or `stopping` is set."""
    # Only a mongod needs the driver here, and the driver is slow to import.
    from pymongo import MongoClient  # noqa: PLC0415

    deadline = time.monotonic() + _PRIMARY_TIMEOUT_SECONDS
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5000) as client:
        while not client.admin.command("hello").get("isWritablePrimary"):
            if stopping.is_set() or time.monotonic() > deadline:
                return False
            configure_replica_set(client.admin.command, f"{LOOPBACK}:{port}")
            stopping.wait(_POLL_INTERVAL_SECONDS)
    return True


def configure_replica_set(command: Callable[..., Mapping[str, Any]], member: str) -> None:
    """Initiate the replica set, or change the address of its one member to `member` (host:port).

    `command` runs a command on the admin database.
    """
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
        _initiate(command, member)


def _initiate(command: Callable[..., Mapping[str, Any]], member: str) -> None:
    from pymongo.errors import OperationFailure  # noqa: PLC0415

    try:
        command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:  # it is still loading its configuration
            raise
