"""Whether a database can serve us: found out once, before anything is started on it, and told in one sentence."""

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
from app.database.client import SILENCE_MS
from app.database.view import SCHEMA_VERSIONS
from app.errors import CommandError

OLDEST_VERSION = 7

_AUTHENTICATION_FAILED = 18
_RIGHTS_MISSING = {13, 8000}
_NAMESPACE_NOT_FOUND = 26
_MAX_WORDS_LENGTH = 200
_TLS_SECONDS = 2.0
_A_SCHEMA = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["_id"],
        "properties": {"_id": {"bsonType": ["string", "objectId"]}},
        "additionalProperties": True,
    }
}

Database = Any
"""pymongo's own type takes no document class that mypy and the driver agree on here."""


class UnfitDatabaseError(CommandError):
    """The database of DATABASE_URL cannot serve us; the text never shows its address, which may hold a password."""

    def __init__(self, what: str, words: str = "") -> None:
        said = f" ({words})" if words else ""
        super().__init__(f"The database that DATABASE_URL names {what}{said}.")


def require_database(settings: Settings) -> None:
    """Return when the database of DATABASE_URL can serve us. Raises UnfitDatabaseError, which says what is missing."""
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=SILENCE_MS, timeoutMS=SILENCE_MS) as client:
            _require_all(client, client[settings.database_name])
    except (InvalidURI, ValueError) as wrong:
        raise UnfitDatabaseError(f"does not answer: it is no address of a MongoDB ({type(wrong).__name__})") from None
    except ConnectionFailure as silent:
        raise _unreachable(url, silent) from None
    except PyMongoError as refused:
        raise UnfitDatabaseError("cannot serve Task Timer", _without_secrets(server_message(refused), url)) from None


def server_message(error: PyMongoError) -> str:
    """What the server said, or the driver where it was not asked: one line, without the driver's additions."""
    details = error.details if isinstance(error, OperationFailure) else None
    words = str(details["errmsg"]) if details and "errmsg" in details else str(error)
    line = " ".join(words.partition(" (configured timeouts")[0].partition(", full error:")[0].split())
    return line[:_MAX_WORDS_LENGTH].rstrip(".")


def _require_all(client: MongoClient[dict[str, Any]], database: Database) -> None:
    with _told_of({_AUTHENTICATION_FAILED}, "refuses its user name or password"):
        client.admin.command("ping")
    hello: Mapping[str, Any] = client.admin.command("hello")
    _require_version(client)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise UnfitDatabaseError(
            "is a standalone server, without transactions: start it as a replica set", "hello names no replica set"
        )
    if not hello.get("isWritablePrimary", True):
        raise UnfitDatabaseError("is no primary: name all members of the replica set", "isWritablePrimary is false")
    lacks_rights = f"does not let its user work: it needs the roles readWrite and dbAdmin on {database.name}"
    with _told_of(_RIGHTS_MISSING, lacks_rights):
        with _told_of(None, "does not know $jsonSchema, by which documents are validated"):
            database.command("find", SCHEMA_VERSIONS, filter=_A_SCHEMA, limit=1)
        with _told_of(None, "has no transactions"):
            _try_a_transaction(client, database)
        database[SCHEMA_VERSIONS].update_one({"_id": "nothing"}, {"$set": {"nothing": True}})
        with suppress_code(_NAMESPACE_NOT_FOUND):
            database.command("collMod", SCHEMA_VERSIONS)


def _require_version(client: MongoClient[dict[str, Any]]) -> None:
    version = str(client.admin.command("buildInfo")["version"])
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST_VERSION:
        raise UnfitDatabaseError(f"is MongoDB {version}: Task Timer needs MongoDB 7 or 8")


def _try_a_transaction(client: MongoClient[dict[str, Any]], database: Database) -> None:
    with client.start_session() as session:
        session.start_transaction()
        database[SCHEMA_VERSIONS].find_one({"_id": "nothing"}, session=session)
        session.commit_transaction()


@contextmanager
def _told_of(codes: set[int] | None, what: str) -> Iterator[None]:
    """An error of these codes, or of any but missing rights, becomes this sentence with what the server said."""
    try:
        yield
    except OperationFailure as refused:
        if refused.code not in codes if codes is not None else refused.code in _RIGHTS_MISSING:
            raise
        raise UnfitDatabaseError(what, server_message(refused)) from None


@contextmanager
def suppress_code(code: int) -> Iterator[None]:
    """Pass over a refusal of this code."""
    try:
        yield
    except OperationFailure as refused:
        if refused.code != code:
            raise


def _unreachable(url: str, silent: ConnectionFailure) -> UnfitDatabaseError:
    words = _without_secrets(server_message(silent), url)
    if "SSL" in words:
        return UnfitDatabaseError("does not answer: TLS could not be agreed on", words)
    if _expects_tls(url):
        return UnfitDatabaseError("does not answer: it expects TLS, so add tls=true to DATABASE_URL", words)
    return UnfitDatabaseError("does not answer", words)


def _expects_tls(url: str) -> bool:
    """Whether a server of this address that is spoken to without TLS understands it."""
    with suppress(PyMongoError, OSError, ValueError):
        if url.startswith("mongodb+srv:"):
            return False
        parsed = parse_uri(url)
        host, port = parsed["nodelist"][0]
        if parsed["options"].get("tls") or port is None:
            return False
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only to see what it speaks
        with (
            socket.create_connection((host, port), timeout=_TLS_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    return False


def _without_secrets(words: str, url: str) -> str:
    """The words without anything of the address that only its owner knows."""
    with suppress(PyMongoError, ValueError):
        parsed = parse_uri(url)
        for secret in (parsed["password"], parsed["username"]):
            if secret:
                words = words.replace(secret, "***")
        return words
    return ""
