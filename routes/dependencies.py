"""The dependencies that routes share: the user and the scope, the conditional headers, common query parameters."""

import hashlib
import re
from typing import Annotated, Any, TypedDict

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2PasswordBearer

from app.config import Settings
from app.database.client import Client
from app.errors import AuthenticationError, FieldError, ValidationError
from app.http.endpoint import Argument, Operation, OptionalJsonBody, Query
from app.http.root_path import own_path
from app.security.scopes import SCOPES, InsufficientScopeError, Scope
from services.accounts.authentication import authentication_service
from services.accounts.rate_limits import RateLimiter
from services.accounts.sessions import TokenIssuer
from services.accounts.token_checks import AcceptedToken
from services.common.acting_user import ActingUser
from services.common.idempotency import IdempotencyInProgressError, IdempotencyKeyReusedError, RequestKey
from services.common.values.fields import EmptyBody, PageQuery
from services.common.values.versions import VersionCondition
from services.feed.feed import ChangesDisabledError
from services.feed.streams import EventStreams
from services.tracking.schemas.overlaps import OverlapQuery
from services.webhooks.webhooks import WebhookService

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_WHITE_SPACE = " \t"

IDEMPOTENCY_ERRORS = (IdempotencyKeyReusedError, IdempotencyInProgressError)
"""The errors of every route that takes an Idempotency-Key."""


class State(TypedDict):
    """What the lifespan of the application opens, as `request.state`."""

    settings: Settings
    tokens: TokenIssuer
    limiter: RateLimiter
    webhooks: WebhookService
    client: Client
    event_streams: EventStreams
    derivation_key: bytes


async def get_service_settings(request: Request) -> Settings:
    """Return the settings of the service."""
    settings: Settings = request.state.settings
    return settings


async def get_tokens(request: Request) -> TokenIssuer:
    """Return the signer and verifier of tokens."""
    tokens: TokenIssuer = request.state.tokens
    return tokens


async def get_limiter(request: Request) -> RateLimiter:
    """Return the rate limiter."""
    limiter: RateLimiter = request.state.limiter
    return limiter


async def get_webhooks(request: Request) -> WebhookService:
    """Return the service of webhooks."""
    webhooks: WebhookService = request.state.webhooks
    return webhooks


async def get_client(request: Request) -> Client:
    """Return the database client."""
    client: Client = request.state.client
    return client


async def require_changes(request: Request) -> None:
    """Return if the service records changes. Raises ChangesDisabledError."""
    if not request.state.settings.changes_enabled:
        raise ChangesDisabledError


async def admit_public_read(request: Request) -> None:
    """Count a request with a secret in its path against the limit of its address. Raises RateLimitError."""
    limiter: RateLimiter = request.state.limiter
    limiter.admit_public_read()


async def get_event_streams(request: Request) -> EventStreams:
    """Return the event streams of this process."""
    event_streams: EventStreams = request.state.event_streams
    return event_streams


async def get_accepted_token(request: Request) -> AcceptedToken:
    """Return the bearer token of the request for later checks. Raises AuthenticationError."""
    return await authentication_service.accept(request.state.tokens.access, bearer=bearer_of(request))


def bearer_of(request: Request) -> str:
    """Return the bearer token of the request. Raises AuthenticationError if it has none."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise AuthenticationError
    return bearer.strip()


async def get_api_url(request: Request) -> str:
    """Return the URL of the API, as the client of this request reaches it, without a slash at the end."""
    settings: Settings = request.state.settings
    return str(request.base_url).rstrip("/") + settings.api_prefix


class Authenticator(OAuth2PasswordBearer):
    """The user of the bearer token: the access token of a session, or an API token with one of these scopes.

    Without scopes, API tokens are refused. Raises AuthenticationError, RateLimitError or InsufficientScopeError.
    """

    def __init__(self, *scopes: Scope) -> None:
        # app/openapi/document.py replaces the address with the one below the API's prefix.
        super().__init__(tokenUrl="auth/token", scheme_name="Password", scopes=SCOPES)
        self.accepted_scopes = scopes

    async def __call__(self, request: Request) -> ActingUser:  # type: ignore[override] # the user instead of the token
        """Return the user of this request, and count the request against the user's rate limit."""
        user = await authentication_service.authenticate(request.state.tokens.access, bearer=bearer_of(request))
        request.scope["user_id"] = str(user.id)
        request.state.limiter.admit_request(user.id)
        if user.scopes is not None and user.scopes.isdisjoint(self.accepted_scopes):
            raise InsufficientScopeError(self.accepted_scopes)
        return user


class PreconditionHeader(Argument[VersionCondition | None]):
    """The entity tags of If-Match or If-None-Match.

    By strong comparison a weak tag matches no version (RFC 9110 section 13.1.1); by weak comparison it matches the
    version that it names (section 13.1.2). Raises ValidationError if the header is not a list of entity tags.
    """

    def __init__(self, name: str, description: str, *, weak: bool) -> None:
        self.name = name
        self.description = description
        self.weak = weak

    async def __call__(self, request: Request) -> VersionCondition | None:
        """Return the versions in the header, or None without the header."""
        lines = request.headers.getlist(self.name)
        if not lines:
            return None
        value = ", ".join(lines)
        if value.strip(_WHITE_SPACE) == "*":
            return VersionCondition(frozenset(), any=True)
        tags = _ENTITY_TAG.findall(value)
        # Each tag is replaced by an empty pair of quotes. Empty list members are allowed (RFC 9110 section 5.6.1).
        members = {member.strip(_WHITE_SPACE) for member in _ENTITY_TAG.sub('""', value).split(",")}
        if not tags or not members <= {'""', ""}:
            detail = 'is neither * nor a list of entity tags, such as "3"'
            raise ValidationError(errors=(FieldError(detail, header=self.name),))
        return VersionCondition(frozenset(tag for weak_prefix, tag in tags if self.weak or not weak_prefix))

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- its schema is inline
        """Add a header parameter."""
        schema = {"type": "string", "examples": ['"3"']}
        header = {"name": self.name, "in": "header", "description": self.description, "schema": schema}
        operation.setdefault("parameters", []).append(header)


class IdempotencyHeader(Argument[RequestKey | None]):
    """The header Idempotency-Key. Raises ValidationError if it is not 1 to 255 visible ASCII characters."""

    name = "Idempotency-Key"

    async def __call__(self, request: Request) -> RequestKey | None:
        """Return the key with a hash of the request, or None without the header."""
        keys = request.headers.getlist(self.name)
        if not keys:
            return None
        if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
            detail = "is not one key of 1 to 255 visible ASCII characters"
            raise ValidationError(errors=(FieldError(detail, header=self.name),))
        request_line = f"{request.method} {own_path(request.scope)}?{request.url.query}\n".encode()
        fingerprint = hashlib.sha256(request_line + await request.body()).hexdigest()
        return RequestKey(keys[0], fingerprint, request.state.derivation_key)

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- its schema is inline
        """Add a header parameter."""
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["7d2f3a90-offer"]}
        description = "Makes retries safe: a request repeated with its key takes effect once."
        header = {"name": self.name, "in": "header", "description": description, "schema": schema}
        operation.setdefault("parameters", []).append(header)


def _authenticated(*scopes: Scope) -> Any:
    return Security(Authenticator(*scopes), scopes=scopes)


SessionUser = Annotated[ActingUser, _authenticated()]
Reader = Annotated[ActingUser, _authenticated("read")]
Writer = Annotated[ActingUser, _authenticated("write")]
TimerUser = Annotated[ActingUser, _authenticated("timer")]
TimerReader = Annotated[ActingUser, _authenticated("read", "timer")]
ReportReader = Annotated[ActingUser, _authenticated("reports")]
Exporter = Annotated[ActingUser, _authenticated("exports")]

IfMatch = Annotated[
    VersionCondition | None,
    Depends(PreconditionHeader("If-Match", "Update this version only, else 412.", weak=False)),
]
IfNoneMatch = Annotated[
    VersionCondition | None,
    Depends(PreconditionHeader("If-None-Match", "304 if this version is current.", weak=True)),
]
IdempotencyKey = Annotated[RequestKey | None, Depends(IdempotencyHeader())]

Overlap = Query[OverlapQuery]
"""Every write of tracked time takes it, deletions too, although they cannot cause an overlap."""
Page = Query[PageQuery]
NoBody = OptionalJsonBody[EmptyBody]
"""For a route that takes no body: an empty body or `{}`. Fields are refused, not ignored."""

ServiceSettings = Annotated[Settings, Depends(get_service_settings)]
Limiter = Annotated[RateLimiter, Depends(get_limiter)]
RecordedChanges = Annotated[None, Depends(require_changes)]
PublicRead = Annotated[None, Depends(admit_public_read)]
"""The first parameter of a route with a secret in its path instead of a token."""
ApiUrl = Annotated[str, Depends(get_api_url)]
Webhooks = Annotated[WebhookService, Depends(get_webhooks)]
Tokens = Annotated[TokenIssuer, Depends(get_tokens)]
LastingToken = Annotated[AcceptedToken, Depends(get_accepted_token)]
"""The token of a request that may last longer than the token. It follows the user in the signature."""
Streams = Annotated[EventStreams, Depends(get_event_streams)]
DatabaseClient = Annotated[Client, Depends(get_client)]
