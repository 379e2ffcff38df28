"""Sessions: sign in, refresh, sign out, change the password."""

from fastapi import APIRouter
from starlette.responses import Response

from app.errors import RateLimitError
from app.http.endpoint import Endpoint, FormBody, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from app.security.tokens import InvalidTokenError
from routes.dependencies import Limiter, NoBody, SessionUser, Tokens
from routes.responses import no_content
from services.accounts.schemas.users import PasswordChange, SessionRefresh, SignIn, TokenRead
from services.accounts.sessions import InvalidCredentialsError, session_service
from services.accounts.users import WrongPasswordError, user_service

router = APIRouter(route_class=Endpoint, prefix="/auth", tags=["auth"])

NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/token",
    operation_id="sign_in",
    summary="Sign in",
    response_model=TokenRead,
    responses=problem_responses(InvalidCredentialsError, RateLimitError),
)
async def sign_in(tokens: Tokens, limiter: Limiter, form: FormBody[SignIn]) -> Response:
    """Returns a bearer token for an e-mail address (`username`) and its password: the OAuth2 password form."""
    token = await session_service.sign_in(tokens, limiter, email=form.username, password=form.password)
    return json_response(token, headers=NO_STORE)


@router.post(
    "/refresh",
    operation_id="refresh_session",
    summary="Refresh the session",
    response_model=TokenRead,
    responses=problem_responses(InvalidTokenError, RateLimitError),
)
async def refresh_session(tokens: Tokens, limiter: Limiter, body: JsonBody[SessionRefresh]) -> Response:
    """Rotates the tokens of a session. A refresh token can be used once: reusing it revokes the session.

    A client that lost the response may repeat the request within 10 seconds, and gets the same tokens.
    """
    token = await session_service.refresh(tokens, limiter, refresh_token=body.refresh_token)
    return json_response(token, headers=NO_STORE)


@router.post("/logout", operation_id="sign_out", summary="Sign out", status_code=204)
async def sign_out(user: SessionUser, _body: NoBody) -> Response:
    """Ends the session that the bearer token belongs to."""
    await session_service.sign_out(user)
    return no_content()


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change my password",
    status_code=204,
    responses=problem_responses(WrongPasswordError),
)
async def change_password(user: SessionUser, change: JsonBody[PasswordChange]) -> Response:
    """Ends all sessions, including this one."""
    await user_service.change_password(user, change=change)
    return no_content()
