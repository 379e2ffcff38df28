"""What belongs to one request: who asks, and which version they mean."""

import re
from functools import partial
from typing import Annotated, TypedDict

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from pydantic import BeforeValidator, InstanceOf, WithJsonSchema

from app.config import Settings
from app.database import Client
from app.errors import AuthenticationError, FieldError, ValidationError
from app.security import AccessTokens
from services.authentication import ActingUser, authentication_service
from services.schemas.versions import VersionCondition

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ENTITY_TAGS = re.compile(rf"\s*{_ENTITY_TAG.pattern}(\s*,\s*{_ENTITY_TAG.pattern})*\s*")


class State(TypedDict):
    """What the lifespan opens and each request may use."""

    settings: Settings
    tokens: AccessTokens
    client: Client


def get_service_settings(request: Request) -> Settings:
    """The settings of this service."""
    settings: Settings = request.state.settings
    return settings


def get_tokens(request: Request) -> AccessTokens:
    """What signs and verifies the tokens of this service."""
    tokens: AccessTokens = request.state.tokens
    return tokens


def get_client(request: Request) -> Client:
    """The connection to the database."""
    client: Client = request.state.client
    return client


class SignedIn(OAuth2PasswordBearer):
    """Answers the user who is asking, before it looks at what is asked.

    One dependency for all of it, since each one costs every request. Raises AuthenticationError,
    or ValidationError for a query parameter that the route does not have.
    """

    def __init__(self) -> None:
        # The address in the OpenAPI document is set with the API's prefix in app/openapi.py.
        super().__init__(tokenUrl="auth/token", scheme_name="Password")

    async def __call__(self, request: Request) -> ActingUser:  # type: ignore[override] # more than the token
        """The user behind the bearer token of this request."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            raise AuthenticationError
        user = await authentication_service.identify(request.state.tokens, bearer=bearer.strip())
        request.scope["user_id"] = str(user.id)
        await refuse_unknown_parameters(request)
        return user


async def refuse_unknown_parameters(request: Request) -> None:
    """Raises ValidationError for a query parameter that the route does not have, or has but once."""
    if not request.scope["query_string"]:
        return
    known = request.app.state.query_parameters[request.scope["endpoint"]]
    sent = [name for name, _ in request.query_params.multi_items()]
    unknown = {name: "is not a parameter here" for name in sent if name not in known}
    twice = {name: "is given more than once" for name in sent if sent.count(name) > 1 and not known.get(name)}
    wrong = {**twice, **unknown}
    if wrong:
        raise ValidationError(errors=tuple(FieldError(detail, parameter=name) for name, detail in wrong.items()))


def _conditions(sent: object, *, weak: bool) -> VersionCondition | None:
    if sent is None or not isinstance(sent, str):
        return None
    if sent.strip() == "*":
        return VersionCondition(frozenset(), any=True)
    if not _ENTITY_TAGS.fullmatch(sent):
        raise ValueError('is neither * nor a list of entity tags, such as "3"')
    return VersionCondition(frozenset(tag for mark, tag in _ENTITY_TAG.findall(sent) if weak or not mark))


_TAGS_SCHEMA = WithJsonSchema({"type": "string", "examples": ['"3"']})

signed_in = SignedIn()
CurrentUser = Annotated[ActingUser, Depends(signed_in)]

# Strong comparison: a weak tag matches no version (RFC 9110 section 13.1.1).
IfMatch = Annotated[
    InstanceOf[VersionCondition] | None,
    BeforeValidator(partial(_conditions, weak=False)),
    _TAGS_SCHEMA,
    Header(alias="If-Match", description="Change only this version."),
]
# Weak comparison: a weak tag matches its version (RFC 9110 section 13.1.2).
IfNoneMatch = Annotated[
    InstanceOf[VersionCondition] | None,
    BeforeValidator(partial(_conditions, weak=True)),
    _TAGS_SCHEMA,
    Header(alias="If-None-Match", description="Read only another version."),
]

ServiceSettings = Annotated[Settings, Depends(get_service_settings)]
Tokens = Annotated[AccessTokens, Depends(get_tokens)]
DatabaseClient = Annotated[Client, Depends(get_client)]

open_to_all = [Depends(refuse_unknown_parameters)]
"""The dependencies of a router whose routes need no token; the others take CurrentUser first."""
