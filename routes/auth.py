"""Signing in, staying signed in, signing out."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.errors import RateLimitError
from app.http.endpoint import Endpoint, FormBody, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from app.security.tokens import InvalidTokenError
from routes.dependencies import AccountHolder, Limiter, Tokens
from services.accounts.schemas.users import PasswordChange, SessionRefresh, SignIn, TokenRead
from services.accounts.sessions import InvalidCredentialsError, session_service
from services.accounts.users import WrongPasswordError, user_service
from services.common.values.fields import EmptyBody

router = APIRouter(route_class=Endpoint, prefix="/auth", tags=["auth"])

NOT_KEPT = {"Cache-Control": "no-store"}


@router.post(
    "/token",
    operation_id="sign_in",
    summary="Sign in",
    response_model=TokenRead,
    responses=problem_responses(InvalidCredentialsError, RateLimitError),
)
async def sign_in(tokens: Tokens, limiter: Limiter, form: Annotated[SignIn, Depends(FormBody(SignIn))]) -> Response:
    """Returns a bearer token for an e-mail address (`username`) and its password: the OAuth2 password form."""
    token = await session_service.begin(tokens, limiter, email=form.username, password=form.password)
    return json_response(token, headers=NOT_KEPT)


@router.post(
    "/refresh",
    operation_id="refresh_session",
    summary="Refresh the session",
    response_model=TokenRead,
    responses=problem_responses(InvalidTokenError, RateLimitError),
)
async def refresh_session(
    tokens: Tokens,
    limiter: Limiter,
    sent: Annotated[SessionRefresh, Depends(JsonBody(SessionRefresh))],
) -> Response:
    """Rotates the tokens of a session. A refresh token can be used once: reusing it revokes the session.

    A client that lost the response may repeat the request within 10 seconds, and gets the same tokens.
    """
    token = await session_service.refresh(tokens, limiter, refresh_token=sent.refresh_token)
    return json_response(token, headers=NOT_KEPT)


@router.post("/logout", operation_id="sign_out", summary="Sign out", status_code=204)
async def sign_out(
    user: AccountHolder,
    body: Annotated[EmptyBody, Depends(JsonBody(EmptyBody, optional=True))],  # noqa: ARG001 -- it may say nothing
) -> Response:
    """Ends the session that the bearer token belongs to."""
    await session_service.end(user)
    return Response(status_code=204)


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change my password",
    status_code=204,
    responses=problem_responses(WrongPasswordError),
)
async def change_password(
    user: AccountHolder, change: Annotated[PasswordChange, Depends(JsonBody(PasswordChange))]
) -> Response:
    """Ends all sessions, including this one."""
    await user_service.change_password(user, change=change)
    return Response(status_code=204)
