"""Registration, and the account of the user."""

from fastapi import APIRouter
from starlette.responses import Response

from app.errors import RateLimitError
from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import Limiter, Page, ServiceSettings, SessionUser
from routes.responses import header_responses, no_content
from services.accounts.audit import audit_service
from services.accounts.deletion import account_deletion_service
from services.accounts.schemas.audit import AuditPage
from services.accounts.schemas.users import AccountDelete, UserCreate, UserRead, UserUpdate
from services.accounts.users import EmailTakenError, RegistrationClosedError, WrongPasswordError, user_service

registration = APIRouter(route_class=Endpoint, prefix="/users", tags=["users"])
account = APIRouter(route_class=Endpoint, prefix="/users/me", tags=["users"])


@registration.post(
    "",
    operation_id="register",
    summary="Register",
    status_code=201,
    response_model=UserRead,
    responses={
        **header_responses(201, "Location"),
        **problem_responses(EmailTakenError, RegistrationClosedError, RateLimitError),
    },
)
async def register(settings: ServiceSettings, limiter: Limiter, new: JsonBody[UserCreate]) -> Response:
    """Creates an account. E-mail addresses are unique, regardless of case."""
    user = await user_service.sign_up(new, limiter, registration_open=settings.registration_open)
    return json_response(user, status=201, headers={"Location": f"{settings.root_path}{settings.api_prefix}/users/me"})


@account.get("", operation_id="get_me", summary="Get my account", response_model=UserRead)
async def get_me(user: SessionUser) -> Response:
    """Profile and preferences."""
    return json_response(await user_service.get_profile(user))


@account.get(
    "/audit",
    operation_id="list_audit_events",
    summary="List my audit events",
    response_model=AuditPage,
)
async def list_audit_events(user: SessionUser, query: Page) -> Response:
    """Newest first.

    Sign-ins and failed ones, sessions, changes of the password and the e-mail address, API tokens, calendar feeds,
    shares, webhooks, exports and imports.
    """
    return json_response(await audit_service.list_events(user, query=query))


@account.patch(
    "",
    operation_id="change_me",
    summary="Update my account",
    response_model=UserRead,
    responses=problem_responses(WrongPasswordError, EmailTakenError),
)
async def change_me(user: SessionUser, change: JsonBody[UserUpdate]) -> Response:
    """JSON merge patch: fields that are not sent keep their values, and preferences are merged key by key.

    A new e-mail address requires the password, as `current_password`.
    """
    return json_response(await user_service.update_profile(user, change=change))


@account.delete(
    "",
    operation_id="delete_me",
    summary="Delete my account",
    status_code=204,
    responses=problem_responses(WrongPasswordError),
)
async def delete_me(user: SessionUser, body: JsonBody[AccountDelete]) -> Response:
    """Permanently deletes the account with all its tasks, time entries, projects and tokens. This cannot be undone."""
    await account_deletion_service.delete(user, password=body.password)
    return no_content()
