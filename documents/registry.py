"""The registry of all document classes, and the functions that open the database for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.config import Settings
from app.database.client import Client, close, connect, ping
from app.database.min_writer import require_min_writer
from app.database.setup import Validators, bind, initialise
from app.database.view import Database
from documents.accounts.api_tokens import ApiToken
from documents.accounts.audit_events import AuditEvent
from documents.accounts.deletions import AccountDeletion
from documents.accounts.rate_counters import RateCounter
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.common.base import StoredDocument
from documents.common.idempotency_keys import IdempotencyKey
from documents.common.json_schema import MIN_WRITER, SCHEMA_VERSION, schema_of
from documents.common.leases import Lease
from documents.common.outbox import OutboxDocument, enable_changes
from documents.feed.changes import Change
from documents.feed.event_streams import OpenStream, StreamWorker
from documents.feed.feed_states import FeedState
from documents.sharing.calendar_feeds import CalendarFeed
from documents.sharing.shares import Share
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.tracking.view import time_entries_view
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_files import ImportFile
from documents.webhooks.deliveries import Delivery
from documents.webhooks.webhooks import Webhook

DOCUMENTS: tuple[type[StoredDocument], ...] = (
    User,
    Project,
    Task,
    TaskPage,
    DeletedEntry,
    IdempotencyKey,
    ImportBatch,
    ImportFile,
    RefreshToken,
    ApiToken,
    CalendarFeed,
    Webhook,
    Delivery,
    AccountDeletion,
    RateCounter,
    AuditEvent,
    Change,
    FeedState,
    OpenStream,
    StreamWorker,
    Lease,
    Share,
)
USER_DOCUMENTS = tuple(
    sorted(
        (document for document in DOCUMENTS if "user_id" in document.model_fields),
        key=lambda document: document is not ImportBatch,
    )
)
"""The documents that belong to a user, in the order in which an account deletion removes them. Imports come first:
each transaction of an import updates its ImportBatch, so once that is gone none can commit. Webhooks precede their
deliveries, so that no process creates more of them."""

OUTBOX_DOCUMENTS = tuple(
    sorted(
        (document for document in DOCUMENTS if issubclass(document, OutboxDocument)),
        key=lambda document: document is not Task,
    )
)
"""The documents with an outbox, those that change most often first."""

PROCESS_DOCUMENTS = (Lease, OpenStream, StreamWorker)
"""The documents of the processes that use the database now. They mean nothing to others, so no backup contains them."""


def validators() -> Validators:
    """Return the $jsonSchema validators of all collections."""
    schemas = {document.Settings.name: schema_of(document) for document in DOCUMENTS}
    return Validators(SCHEMA_VERSION, MIN_WRITER, schemas)


async def prepare(database: Database) -> None:
    """Bind the document classes to the database, and create its validators, indexes and view.

    Raises LaterVersionError, and changes nothing, if only a later version may use the database.
    """
    await require_min_writer(database, SCHEMA_VERSION)
    await initialise(database, DOCUMENTS, validators(), time_entries_view())


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Client]:
    """Connect to the database, prepare it, and yield the client.

    Raises PyMongoError when it does not respond, and LaterVersionError when only a later version may use it.
    """
    enable_changes(settings.changes_enabled)
    client = connect(settings)
    try:
        await ping(client)
        await prepare(client[settings.database_name])
        yield client
    finally:
        await close(client)


@asynccontextmanager
async def open_database_without_setup(settings: Settings) -> AsyncIterator[None]:
    """Connect to the database without changing it. Raises PyMongoError or LaterVersionError as open_database does."""
    enable_changes(settings.changes_enabled)
    client = connect(settings)
    try:
        await ping(client)
        await require_min_writer(client[settings.database_name], SCHEMA_VERSION)
        await bind(client[settings.database_name], DOCUMENTS)
        yield
    finally:
        await close(client)
