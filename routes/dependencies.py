"""What belongs to one request: who asks, and which version they mean."""

import hashlib
import re
from typing import Annotated, Any, TypedDict

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2PasswordBearer

from app.config import Settings
from app.database.client import Client
from app.errors import AuthenticationError, FieldError, ValidationError
from app.http.endpoint import Argument, Operation, Query
from app.http.root_path import own_path
from app.security.scopes import SCOPES, InsufficientScopeError, Scope
from services.accounts.authentication import authentication_service
from services.accounts.rate_limits import RateLimiter
from services.accounts.sessions import TokenMaker
from services.common.acting_user import ActingUser
from services.common.idempotency import IdempotencyInProgressError, IdempotencyKeyReusedError, RequestKey
from services.common.values.fields import PageQuery
from services.common.values.versions import VersionCondition
from services.tracking.schemas.overlaps import OverlapQuery
from services.transfer.schemas.imports import ImportQuery

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SPACE = " \t"


class State(TypedDict):
    """What the lifespan opens and each request may use."""

    settings: Settings
    tokens: TokenMaker
    limiter: RateLimiter
    client: Client


async def get_service_settings(request: Request) -> Settings:
    """The settings of this service."""
    settings: Settings = request.state.settings
    return settings


async def get_tokens(request: Request) -> TokenMaker:
    """What signs and verifies the tokens of this service."""
    tokens: TokenMaker = request.state.tokens
    return tokens


async def get_limiter(request: Request) -> RateLimiter:
    """The limits of this service."""
    limiter: RateLimiter = request.state.limiter
    return limiter


async def get_client(request: Request) -> Client:
    """The connection to the database."""
    client: Client = request.state.client
    return client


class SignedIn(OAuth2PasswordBearer):
    """Answers the user who is asking, if they may: a session always, an API token that has one of these scopes.

    Without a scope no API token will do. Raises AuthenticationError, RateLimitError or InsufficientScopeError.
    """

    def __init__(self, *scopes: Scope) -> None:
        # The address in the OpenAPI document is set with the API's prefix in app/openapi/document.py.
        super().__init__(tokenUrl="auth/token", scheme_name="Password", scopes=SCOPES)
        self.needed = scopes

    async def __call__(self, request: Request) -> ActingUser:  # type: ignore[override] # more than the token
        """The user behind the bearer token of this request."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            raise AuthenticationError
        user = await authentication_service.identify(request.state.tokens.access, bearer=bearer.strip())
        request.scope["user_id"] = str(user.id)
        request.state.limiter.admit_request(user.id)
        if user.scopes is not None and user.scopes.isdisjoint(self.needed):
            raise InsufficientScopeError(self.needed)
        return user


class VersionHeader(Argument[VersionCondition | None]):
    """A header that names versions of the thing it is about: If-Match or If-None-Match.

    By strong comparison a weak tag matches no version (RFC 9110 section 13.1.1), by weak comparison
    its own (section 13.1.2). Raises ValidationError when the header is no list of entity tags.
    """

    def __init__(self, name: str, description: str, *, weak: bool) -> None:
        self.name = name
        self.description = description
        self.weak = weak

    async def __call__(self, request: Request) -> VersionCondition | None:
        """The versions that this request names, or None when it names none."""
        lines = request.headers.getlist(self.name)
        if not lines:
            return None
        sent = ", ".join(lines)
        if sent.strip(_SPACE) == "*":
            return VersionCondition(frozenset(), any=True)
        tags = _ENTITY_TAG.findall(sent)
        # Only a tag leaves a pair of quotes, and an empty member is nothing (RFC 9110 section 5.6.1).
        members = {member.strip(_SPACE) for member in _ENTITY_TAG.sub('""', sent).split(",")}
        if not tags or not members <= {'""', ""}:
            wrong = 'is neither * nor a list of entity tags, such as "3"'
            raise ValidationError(errors=(FieldError(wrong, header=self.name),))
        return VersionCondition(frozenset(tag for mark, tag in tags if self.weak or not mark))

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- it stands inline
        """A header parameter."""
        schema = {"type": "string", "examples": ['"3"']}
        header = {"name": self.name, "in": "header", "description": self.description, "schema": schema}
        operation.setdefault("parameters", []).append(header)


class IdempotencyHeader(Argument[RequestKey | None]):
    """The header Idempotency-Key. Raises ValidationError when it is not 1 to 255 visible ASCII characters."""

    name = "Idempotency-Key"

    async def __call__(self, request: Request) -> RequestKey | None:
        """The key of this request, or None when it has none."""
        sent = request.headers.getlist(self.name)
        if not sent:
            return None
        if len(sent) > 1 or not _IDEMPOTENCY_KEY.fullmatch(sent[0]):
            wrong = "is not one key of 1 to 255 visible ASCII characters"
            raise ValidationError(errors=(FieldError(wrong, header=self.name),))
        asked = f"{request.method} {own_path(request.scope)}?{request.url.query}\n".encode()
        return RequestKey(sent[0], hashlib.sha256(asked + await request.body()).hexdigest())

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- it stands inline
        """A header parameter."""
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["7d2f3a90-offer"]}
        description = "Makes retries safe: a request repeated with its key takes effect once."
        header = {"name": self.name, "in": "header", "description": description, "schema": schema}
        operation.setdefault("parameters", []).append(header)


def _who_may(*scopes: Scope) -> Any:
    return Security(SignedIn(*scopes), scopes=scopes)


AccountHolder = Annotated[ActingUser, _who_may()]
Reader = Annotated[ActingUser, _who_may("read")]
Writer = Annotated[ActingUser, _who_may("write")]
TimerUser = Annotated[ActingUser, _who_may("timer")]
TimerReader = Annotated[ActingUser, _who_may("read", "timer")]
ReportReader = Annotated[ActingUser, _who_may("reports")]
Exporter = Annotated[ActingUser, _who_may("exports")]

IfMatch = Annotated[
    VersionCondition | None,
    Depends(VersionHeader("If-Match", "Update this version only, else 412.", weak=False)),
]
IfNoneMatch = Annotated[
    VersionCondition | None,
    Depends(VersionHeader("If-None-Match", "304 if this version is current.", weak=True)),
]

RETRY_ERRORS = (IdempotencyKeyReusedError, IdempotencyInProgressError)
"""What a route may end with that takes an Idempotency-Key."""

IdempotencyKey = Annotated[RequestKey | None, Depends(IdempotencyHeader())]
Overlap = Annotated[OverlapQuery, Depends(Query(OverlapQuery))]
ImportOptions = Annotated[ImportQuery, Depends(Query(ImportQuery))]
Page = Annotated[PageQuery, Depends(Query(PageQuery))]

ServiceSettings = Annotated[Settings, Depends(get_service_settings)]
Limiter = Annotated[RateLimiter, Depends(get_limiter)]
Tokens = Annotated[TokenMaker, Depends(get_tokens)]
DatabaseClient = Annotated[Client, Depends(get_client)]
