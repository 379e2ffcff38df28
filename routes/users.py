"""Accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.arguments import JsonBody
from app.json import json_response
from app.problems import problems
from routes.dependencies import CurrentUser, ServiceSettings
from routes.endpoints import Endpoint
from services.schemas.users import UserCreate, UserRead, UserUpdate
from services.users import EmailTakenError, RegistrationClosedError, user_service

registration = APIRouter(route_class=Endpoint, prefix="/users", tags=["users"])
account = APIRouter(route_class=Endpoint, prefix="/users/me", tags=["users"])


@registration.post(
    "",
    operation_id="register",
    summary="Make an account",
    status_code=201,
    response_model=UserRead,
    responses=problems(EmailTakenError, RegistrationClosedError),
)
async def register(settings: ServiceSettings, new: Annotated[UserCreate, Depends(JsonBody(UserCreate))]) -> Response:
    """One account for each e-mail address, in whatever case it is written."""
    user = await user_service.register(new, registration_open=settings.registration_open)
    return json_response(user, status=201, headers={"Location": f"{settings.api_prefix}/users/me"})


@account.get("", operation_id="get_me", summary="Read one's own account", response_model=UserRead)
async def get_me(user: CurrentUser) -> Response:
    """Profile and preferences."""
    return json_response(await user_service.profile(user))


@account.patch("", operation_id="change_me", summary="Change one's own account", response_model=UserRead)
async def change_me(user: CurrentUser, change: Annotated[UserUpdate, Depends(JsonBody(UserUpdate))]) -> Response:
    """A JSON merge patch: what is not sent stays; preferences are changed key by key."""
    return json_response(await user_service.change_profile(user, change=change))
