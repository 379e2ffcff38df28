"""What belongs to one request: who asks, and which version they mean."""

import re
from typing import Annotated, TypedDict

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer

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


# The address in the OpenAPI document is set with the API's prefix in app/openapi.py.
_bearer = OAuth2PasswordBearer(tokenUrl="auth/token", scheme_name="Password", auto_error=False)


async def current_user(request: Request, bearer: Annotated[str | None, Depends(_bearer)]) -> ActingUser:
    """The user who is asking. Raises AuthenticationError."""
    if not bearer:
        raise AuthenticationError
    user = await authentication_service.identify(request.state.tokens, bearer=bearer)
    request.scope["user_id"] = str(user.id)
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


async def if_match(
    sent: Annotated[str | None, Header(alias="If-Match", description="Change only this version.")] = None,
) -> VersionCondition | None:
    """The versions that may be changed, by strong comparison: a weak tag matches none (RFC 9110 section 13.1.1)."""
    return _condition(sent, header="If-Match", weak=False)


async def if_none_match(
    sent: Annotated[str | None, Header(alias="If-None-Match", description="Read only another version.")] = None,
) -> VersionCondition | None:
    """The versions that need not be sent again, by weak comparison (RFC 9110 section 13.1.2)."""
    return _condition(sent, header="If-None-Match", weak=True)


def _condition(sent: str | None, *, header: str, weak: bool) -> VersionCondition | None:
    if sent is None:
        return None
    if sent.strip() == "*":
        return VersionCondition(frozenset(), any=True)
    if not _ENTITY_TAGS.fullmatch(sent):
        wrong = 'is neither * nor a list of entity tags, such as "3"'
        raise ValidationError(errors=(FieldError(wrong, header=header),))
    tags = _ENTITY_TAG.findall(sent)
    return VersionCondition(frozenset(tag for mark, tag in tags if weak or not mark))


CurrentUser = Annotated[ActingUser, Depends(current_user)]
IfMatch = Annotated[VersionCondition | None, Depends(if_match)]
IfNoneMatch = Annotated[VersionCondition | None, Depends(if_none_match)]
ServiceSettings = Annotated[Settings, Depends(get_service_settings)]
Tokens = Annotated[AccessTokens, Depends(get_tokens)]
DatabaseClient = Annotated[Client, Depends(get_client)]

open_to_all = [Depends(refuse_unknown_parameters)]
"""The dependencies of a router whose routes need no token."""

signed_in = [Depends(current_user), *open_to_all]
"""The dependencies of a router whose routes are for signed-in users: who is asking comes before what."""
