"""The application: its routers, middleware and lifespan."""

import asyncio
import gc
import linecache
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from importlib.metadata import version

import structlog
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.config import Settings, get_settings
from app.database.client import DATABASE_ERRORS
from app.http.dispatch import Dispatcher, RouteTable
from app.http.event_stream import EventStreamSender
from app.http.middleware import RequestLayer
from app.http.problems import install_error_handlers
from app.logging import configure_logging
from app.openapi.docs_page import install_docs_page
from app.openapi.document import install_openapi
from app.openapi.response_headers import EXPOSED_HEADERS
from app.security.passwords import passwords
from app.security.replayed_secrets import derivation_key
from app.static.page import install_page, page_files
from documents.registry import open_database
from routes import (
    api_tokens,
    auth,
    calendar_feeds,
    changes,
    config,
    events,
    exports,
    health,
    imports,
    projects,
    reports,
    shares,
    tags,
    tasks,
    time_entries,
    timer,
    users,
    webhooks,
)
from routes.dependencies import State
from services.accounts.deletion import account_deletion_service
from services.accounts.rate_limits import RateLimiter
from services.accounts.sessions import TokenIssuer
from services.accounts.users import user_service
from services.feed.relay import ChangeRelay
from services.feed.streams import EventStreams
from services.maintenance.expiry import remove_expired_documents
from services.tracking.projects import project_service
from services.tracking.rules.pending_changes import record_pending_changes
from services.tracking.schemas.problems import Problem
from services.transfer.import_service import background_imports
from services.transfer.imports.lease import remove_expired_leases
from services.webhooks.dispatcher import WebhookDispatcher
from services.webhooks.webhooks import WebhookService

GC_THRESHOLD = 50_000
"""Allocations between two garbage collections. Reference counting already frees what a request allocates."""

ROUTERS = (
    config.router,
    tasks.router,
    projects.router,
    tags.router,
    reports.router,
    time_entries.router,
    time_entries.across_tasks,
    timer.router,
    changes.router,
    events.router,
    exports.router,
    imports.router,
    shares.router,
    shares.public,
    users.account,
    users.registration,
    auth.router,
    api_tokens.router,
    calendar_feeds.router,
    calendar_feeds.public,
    webhooks.router,
)
"""The routers below the prefix of the API."""

log = structlog.get_logger()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application. It does no I/O before its lifespan starts."""
    settings = settings or get_settings()
    routes = RouteTable()
    app = FastAPI(
        title=settings.app_name,
        version=version("task-timer"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=_middleware(settings, routes),
    )
    app.state.settings = settings
    install_error_handlers(app)
    install_docs_page(app, root_path=settings.root_path)
    install_page(app, root_path=settings.root_path, api_prefix=settings.api_prefix)
    app.include_router(health.router)
    for router in ROUTERS:
        app.include_router(router, prefix=settings.api_prefix)
    install_openapi(app, root_path=settings.root_path, prefix=settings.api_prefix, problem=Problem)
    routes.add_all(iter_route_contexts(app.routes))
    # For the log: an included route knows its path only without the prefix.
    app.state.paths = {route.endpoint: route.path for route in iter_route_contexts(app.routes) if route.endpoint}
    return app


def _middleware(settings: Settings, routes: RouteTable) -> list[Middleware]:
    """Return the middleware, from the outermost to the innermost."""
    audit_retention = timedelta(days=settings.audit_keep_days)
    stack = [
        Middleware(EventStreamSender),
        Middleware(RequestLayer, root_path=settings.root_path, audit_retention=audit_retention),
    ]
    if settings.cors_origins:
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=[
                    "Authorization",
                    "Content-Type",
                    "Idempotency-Key",
                    "If-Match",
                    "If-None-Match",
                    "Last-Event-ID",
                    "X-Request-ID",
                ],
                expose_headers=EXPOSED_HEADERS,
            )
        )
    return [
        *stack,
        Middleware(
            Dispatcher,
            routes=routes,
            max_body_bytes=settings.max_body_bytes,
            body_limits={f"{settings.api_prefix}/imports": settings.max_import_bytes},
        ),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[State]:
    settings: Settings = app.state.settings
    configure_logging(settings)
    page_files()
    event_streams = EventStreams()
    async with (
        open_database(settings) as client,
        _in_background(_finish_interrupted_work()),
        _in_background(remove_expired_documents()),
        background_imports.running(),
        _relaying_changes(settings),
        WebhookDispatcher.from_settings(settings).running(),
        event_streams.running(),
    ):
        passwords.configure(memory_kib=settings.argon2_memory_kib, rounds=settings.argon2_rounds)
        await passwords.prepare()
        _tune_memory()
        log.info("started", environment=settings.environment)
        yield State(
            settings=settings,
            tokens=TokenIssuer.from_settings(settings),
            limiter=RateLimiter(settings),
            webhooks=WebhookService(settings),
            client=client,
            event_streams=event_streams,
            derivation_key=derivation_key(settings),
        )


def _relaying_changes(settings: Settings) -> AbstractAsyncContextManager[None]:
    if not settings.changes_enabled:
        return nullcontext()
    return ChangeRelay(retention=timedelta(days=settings.changes_keep_days)).running()


async def _finish_interrupted_work() -> None:
    """Finish the deletions that an earlier process has begun, and convert data that an earlier version has stored."""
    await user_service.fold_email_keys()
    await project_service.finish_deletions()
    await record_pending_changes()
    await remove_expired_leases()
    await account_deletion_service.finish()


@asynccontextmanager
async def _in_background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run the work as a background task. If the service ends first, the next start continues the work."""
    task = asyncio.create_task(_log_failure(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _log_failure(work: Awaitable[None]) -> None:
    try:
        await work
    except DATABASE_ERRORS:
        log.warning("unfinished_work", exc_info=True)


def _tune_memory() -> None:
    """Free what only the start-up needed, and exclude the objects that live as long as the process from collection."""
    linecache.clearcache()  # source code: PyMongo formats the stack for each new client
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
