"""Sessions: sign in, refresh, sign out, list and revoke them, change the password."""

from fastapi import APIRouter
from starlette.responses import Response

from app.errors import AuthenticationError, RateLimitError
from app.http.endpoint import Endpoint, FormBody, JsonBody, Query
from app.http.json import json_response
from app.http.problems import problem_responses
from app.http.session_cookie import CrossOriginRequestError
from app.security.tokens import InvalidTokenError
from routes.browser_sessions import NewSession, PresentedSession, SessionToEnd, cookie_responses
from routes.dependencies import Limiter, NoBody, Page, SessionUser, Tokens
from routes.responses import no_content
from services.accounts.schemas.sessions import SessionPage
from services.accounts.schemas.users import PasswordChange, SignIn, SignInQuery, TokenRead
from services.accounts.sessions import InvalidCredentialsError, SessionNotFoundError, session_service
from services.accounts.users import WrongPasswordError, user_service

router = APIRouter(route_class=Endpoint, prefix="/auth", tags=["auth"])


@router.post(
    "/token",
    operation_id="sign_in",
    summary="Sign in",
    response_model=TokenRead,
    responses=cookie_responses(
        problem_responses(InvalidCredentialsError, CrossOriginRequestError, RateLimitError),
        200,
    ),
)
async def sign_in(
    tokens: Tokens, limiter: Limiter, _query: Query[SignInQuery], session: NewSession, form: FormBody[SignIn]
) -> Response:
    """Returns a bearer token for an e-mail address (`username`) and its password: the OAuth2 password form.

    With `session=cookie`, which pages of this service use, the refresh token is in a cookie instead of the body.
    """
    token = await session_service.sign_in(tokens, limiter, email=form.username, password=form.password)
    return session.token_response(token)


@router.post(
    "/refresh",
    operation_id="refresh_session",
    summary="Refresh the session",
    response_model=TokenRead,
    responses=cookie_responses(
        problem_responses(AuthenticationError, InvalidTokenError, CrossOriginRequestError, RateLimitError), 200, 401
    ),
)
async def refresh_session(tokens: Tokens, limiter: Limiter, session: PresentedSession) -> Response:
    """Rotates the tokens of a session. A refresh token can be used once: reusing it revokes the session.

    A client that lost the response may repeat the request within 10 seconds, and gets the same tokens.
    Without a body, the refresh token is that of the session cookie. The response sets the cookie, or clears it if the
    token is refused.
    """
    with session.cleared_if_refused():
        token = await session_service.refresh(tokens, limiter, refresh_token=session.refresh_token or "")
    return session.token_response(token)


@router.post(
    "/logout",
    operation_id="sign_out",
    summary="Sign out",
    status_code=204,
    responses=cookie_responses(problem_responses(CrossOriginRequestError, InvalidTokenError), 204, 401),
)
async def sign_out(limiter: Limiter, session: SessionToEnd, _body: NoBody) -> Response:
    """Ends the session that the bearer token belongs to, and that of the session cookie. One of them is enough."""
    with session.cleared_if_refused():
        await session_service.sign_out(limiter, user=session.user, refresh_token=session.refresh_token)
    return session.end_response()


@router.get("/sessions", operation_id="list_sessions", summary="List my sessions", response_model=SessionPage)
async def list_sessions(user: SessionUser, query: Page) -> Response:
    """The active sessions, the last used first."""
    return json_response(await session_service.list_sessions(user, query=query))


@router.delete(
    "/sessions/{session_id}",
    operation_id="revoke_session",
    summary="Revoke a session",
    status_code=204,
    responses=problem_responses(SessionNotFoundError),
)
async def revoke_session(user: SessionUser, session_id: str) -> Response:
    """Takes effect at once in the worker that handles this request, and within 10 seconds in all others."""
    await session_service.revoke(user, session_id=session_id)
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
