"""Signing in."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.arguments import FormBody
from app.json import json_response
from app.problems import problems
from routes.dependencies import Tokens
from routes.endpoints import Endpoint
from services.authentication import InvalidCredentialsError, authentication_service
from services.schemas.users import SignIn, TokenRead

router = APIRouter(route_class=Endpoint, prefix="/auth", tags=["auth"])


@router.post(
    "/token",
    operation_id="sign_in",
    summary="Sign in",
    response_model=TokenRead,
    responses=problems(InvalidCredentialsError),
)
async def sign_in(tokens: Tokens, form: Annotated[SignIn, Depends(FormBody(SignIn))]) -> Response:
    """A bearer token for an e-mail address (`username`) and its password: OAuth2's password form."""
    token = await authentication_service.sign_in(tokens, email=form.username, password=form.password)
    return json_response(token, headers={"Cache-Control": "no-store"})
