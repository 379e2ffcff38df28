"""Opening the database: connected, answering, and with all that the documents need in place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.config import Settings
from app.database import Client, Validators, bind, close, connect, initialise, ping
from app.views import Database
from documents.account_deletions import AccountDeletion
from documents.api_tokens import ApiToken
from documents.audit_events import AuditEvent
from documents.base import StoredDocument
from documents.deleted_entries import DeletedEntry
from documents.idempotency import IdempotencyKey
from documents.import_batches import ImportBatch
from documents.import_files import ImportFile
from documents.projects import Project
from documents.rate_counters import RateCounter
from documents.refresh_tokens import RefreshToken
from documents.tasks import Task
from documents.users import User
from documents.validation import SCHEMA_VERSION, schema_of
from documents.views import time_entries_view

DOCUMENTS: tuple[type[StoredDocument], ...] = (
    User,
    Project,
    Task,
    DeletedEntry,
    IdempotencyKey,
    ImportBatch,
    ImportFile,
    RefreshToken,
    ApiToken,
    AccountDeletion,
    RateCounter,
    AuditEvent,
)
OWNED = tuple(document for document in DOCUMENTS if "user_id" in document.model_fields)
"""Those whose documents are a user's."""


def validators() -> Validators:
    """What the database holds the collections to."""
    return Validators(SCHEMA_VERSION, {document.Settings.name: schema_of(document) for document in DOCUMENTS})


async def prepare(database: Database) -> None:
    """Bind the documents to the database and put in place what they need there."""
    await initialise(database, DOCUMENTS, validators(), time_entries_view())


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Client]:
    """The connection, with the documents bound to it, closed at the end. Raises PyMongoError when nothing answers."""
    client = connect(settings)
    try:
        await ping(client)
        await prepare(client[settings.database_name])
        yield client
    finally:
        close(client)


@asynccontextmanager
async def open_as_it_is(settings: Settings) -> AsyncIterator[None]:
    """The documents bound to the database, which is left as it stands. Raises PyMongoError when nothing answers."""
    client = connect(settings)
    try:
        await ping(client)
        await bind(client[settings.database_name], DOCUMENTS)
        yield
    finally:
        close(client)
