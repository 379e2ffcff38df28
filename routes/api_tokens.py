"""API tokens, with which programs sign in. These routes need a session."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import Page, SessionUser
from routes.responses import header_responses, no_content
from services.accounts.api_tokens import TokenNotFoundError, api_token_service
from services.accounts.schemas.api_tokens import ApiTokenCreate, ApiTokenCreated, ApiTokenPage

router = APIRouter(route_class=Endpoint, prefix="/auth/api-tokens", tags=["auth"])


@router.get("", operation_id="list_api_tokens", summary="List API tokens", response_model=ApiTokenPage)
async def list_api_tokens(user: SessionUser, query: Page) -> Response:
    """Newest first, without their secrets."""
    return json_response(await api_token_service.list_tokens(user, query=query))


@router.post(
    "",
    operation_id="create_api_token",
    summary="Create an API token",
    status_code=201,
    response_model=ApiTokenCreated,
    responses=header_responses(201, "Location"),
)
async def create_api_token(request: Request, user: SessionUser, new: JsonBody[ApiTokenCreate]) -> Response:
    """The secret, `token`, is shown only in this response. Send it as a bearer token."""
    token = await api_token_service.create(user, new=new)
    headers = {"Location": f"{request.scope['path']}/{token['id']}", "Cache-Control": "no-store"}
    return json_response(token, status=201, headers=headers)


@router.delete(
    "/{token_id}",
    operation_id="revoke_api_token",
    summary="Revoke an API token",
    status_code=204,
    responses=problem_responses(TokenNotFoundError),
)
async def revoke_api_token(user: SessionUser, token_id: str) -> Response:
    """Takes effect at once in the worker that handles this request, and within 10 seconds in all others."""
    await api_token_service.revoke(user, token_id=token_id)
    return no_content()
