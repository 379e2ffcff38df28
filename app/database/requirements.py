"""Check once, before the service starts, whether the database of DATABASE_URL can be used."""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from app.config import Settings
from app.database.client import OPERATION_TIMEOUT_MS, operation_timeout_ms
from app.database.min_writer import require_min_writer_blocking
from app.database.view import SCHEMA_VERSIONS
from app.errors import CommandError

MIN_VERSION = 7

_AUTHENTICATION_FAILED = 18
_MISSING_PRIVILEGES = {13, 8000}
_NAMESPACE_NOT_FOUND = 26
_MAX_MESSAGE_LENGTH = 200

_ADDITION = re.compile(r" \(configured timeouts|, full error:|, Timeout:")
"""What the driver adds to a message begins so: its settings, the whole response, its view of the servers."""

_TLS_TIMEOUT_SECONDS = 2.0
_SAMPLE_SCHEMA = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["_id"],
        "properties": {"_id": {"bsonType": ["string", "objectId"]}},
        "additionalProperties": True,
    }
}

Database = Any
"""pymongo's own type takes no document class that mypy and the driver agree on here."""


class UnsuitableDatabaseError(CommandError):
    """The database of DATABASE_URL cannot be used.

    The message is one sentence. It never contains the address, which may contain a password.
    """

    def __init__(self, problem: str, details: str = "") -> None:
        """`problem` continues the sentence "The database that DATABASE_URL names ..."."""
        suffix = f" ({details})" if details else ""
        super().__init__(f"The database that DATABASE_URL names {problem}{suffix}.")


def require_database(settings: Settings) -> None:
    """Return if the database of DATABASE_URL can be used. Raises UnsuitableDatabaseError otherwise."""
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    try:
        with _connect(url) as client:
            _require_all(client, client[settings.database_name])
    except (InvalidURI, ValueError) as error:
        problem = f"does not answer: it is not a valid MongoDB address ({type(error).__name__})"
        raise UnsuitableDatabaseError(problem) from None
    except ConnectionFailure as error:
        raise _unreachable(url, error) from None
    except PyMongoError as error:
        details = _without_secrets(server_message(error), url)
        raise UnsuitableDatabaseError("cannot be used by Task Timer", details) from None


def require_supported_version(settings: Settings, schema_version: int) -> None:
    """Return if a service with this schema version may use the database. Raises LaterVersionError otherwise.

    A database that does not respond is not reported here: the application reports it when it starts.
    """
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    with suppress(PyMongoError), _connect(url) as client:
        require_min_writer_blocking(client, settings.database_name, schema_version)


def server_message(error: PyMongoError) -> str:
    """Return the error message of the server, or that of the driver, on one line without the driver's additions."""
    details = error.details if isinstance(error, OperationFailure) else None
    message = str(details["errmsg"]) if details and "errmsg" in details else str(error)
    line = " ".join(_ADDITION.split(message, maxsplit=1)[0].split())
    return line[:_MAX_MESSAGE_LENGTH].rstrip(".")


def _connect(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=OPERATION_TIMEOUT_MS, timeoutMS=operation_timeout_ms(url))


def _require_all(client: MongoClient[dict[str, Any]], database: Database) -> None:
    with _reported_as("rejects the user name or password", {_AUTHENTICATION_FAILED}):
        client.admin.command("ping")
    hello: Mapping[str, Any] = client.admin.command("hello")
    _require_version(client)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise UnsuitableDatabaseError(
            "is a standalone server, without transactions: start it as a replica set", "hello names no replica set"
        )
    if not hello.get("isWritablePrimary", True):
        problem = "is not a primary: name all members of the replica set"
        raise UnsuitableDatabaseError(problem, "isWritablePrimary is false")
    roles = f"the roles readWrite and dbAdmin on {database.name}"
    with _reported_as(f"does not grant its user enough privileges: the user needs {roles}", _MISSING_PRIVILEGES):
        with _reported_as("does not support $jsonSchema, which Task Timer needs to validate documents"):
            database.command("find", SCHEMA_VERSIONS, filter=_SAMPLE_SCHEMA, limit=1)
        with _reported_as("does not support transactions"):
            _try_transaction(client, database)
        database[SCHEMA_VERSIONS].update_one({"_id": "nothing"}, {"$set": {"nothing": True}})
        with _ignore_code(_NAMESPACE_NOT_FOUND):
            database.command("collMod", SCHEMA_VERSIONS)


def _require_version(client: MongoClient[dict[str, Any]]) -> None:
    version = str(client.admin.command("buildInfo")["version"])
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < MIN_VERSION:
        raise UnsuitableDatabaseError(f"is MongoDB {version}: Task Timer needs MongoDB 7 or 8")


def _try_transaction(client: MongoClient[dict[str, Any]], database: Database) -> None:
    with client.start_session() as session:
        session.start_transaction()
        database[SCHEMA_VERSIONS].find_one({"_id": "nothing"}, session=session)
        session.commit_transaction()


@contextmanager
def _reported_as(problem: str, codes: set[int] | None = None) -> Iterator[None]:
    """Report an error of the server as this problem: one with these codes, by default any but missing privileges."""
    try:
        yield
    except OperationFailure as error:
        if error.code not in codes if codes is not None else error.code in _MISSING_PRIVILEGES:
            raise
        raise UnsuitableDatabaseError(problem, server_message(error)) from None


@contextmanager
def _ignore_code(code: int) -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code != code:
            raise


def _unreachable(url: str, error: ConnectionFailure) -> UnsuitableDatabaseError:
    details = _without_secrets(server_message(error), url)
    if "SSL" in details:
        return UnsuitableDatabaseError("does not answer: the TLS handshake failed", details)
    if _expects_tls(url):
        return UnsuitableDatabaseError("does not answer: it expects TLS, so add tls=true to DATABASE_URL", details)
    return UnsuitableDatabaseError("does not answer", details)


def _expects_tls(url: str) -> bool:
    """Return whether the server completes a TLS handshake although the address does not enable TLS."""
    with suppress(PyMongoError, OSError, ValueError):
        if url.startswith("mongodb+srv:"):
            return False
        parsed = parse_uri(url)
        host, port = parsed["nodelist"][0]
        if parsed["options"].get("tls") or port is None:
            return False
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only the protocol matters here
        with (
            socket.create_connection((host, port), timeout=_TLS_TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    return False


def _without_secrets(message: str, url: str) -> str:
    """Replace the user name and the password of the address in the message."""
    with suppress(PyMongoError, ValueError):
        parsed = parse_uri(url)
        for secret in (parsed["password"], parsed["username"]):
            if secret:
                message = message.replace(secret, "***")
        return message
    return ""
