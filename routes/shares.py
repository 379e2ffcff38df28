"""Shares, and the reports that anybody reads with the secret of a share. Only sessions manage shares."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import DatabaseUnavailableError, RateLimitError
from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import IDEMPOTENCY_ERRORS, ApiUrl, IdempotencyKey, IfNoneMatch, Page, PublicRead, SessionUser
from routes.responses import NOT_MODIFIED, header_responses, no_content, public_response, secret_response
from services.sharing.schemas.shared_reports import SharedReport
from services.sharing.schemas.shares import ShareCreate, ShareCreated, SharePage
from services.sharing.shares import (
    SharedReportUnavailableError,
    ShareNotFoundError,
    TooManySharesError,
    share_service,
)

router = APIRouter(route_class=Endpoint, prefix="/shares", tags=["sharing"])
public = APIRouter(route_class=Endpoint, prefix="/shared", tags=["sharing"])


@router.get("", operation_id="list_shares", summary="List shares", response_model=SharePage)
async def list_shares(user: SessionUser, query: Page) -> Response:
    """Newest first, without their secrets. Expired shares are removed."""
    return json_response(await share_service.list_shares(user, query=query))


@router.post(
    "",
    operation_id="create_share",
    summary="Share a report",
    status_code=201,
    response_model=ShareCreated,
    responses={**problem_responses(TooManySharesError, *IDEMPOTENCY_ERRORS), **header_responses(201, "Location")},
)
async def create_share(
    request: Request, user: SessionUser, api_url: ApiUrl, new: JsonBody[ShareCreate], key: IdempotencyKey
) -> Response:
    """Anybody with the `url` can read the report until the share expires or is revoked. It is shown only here."""
    share = await share_service.create(user, new=new, api_url=api_url, request_key=key)
    return secret_response(share, location=request.scope["path"])


@router.delete(
    "/{share_id}",
    operation_id="revoke_share",
    summary="Revoke a share",
    status_code=204,
    responses=problem_responses(ShareNotFoundError),
)
async def revoke_share(user: SessionUser, share_id: str) -> Response:
    """The URL is 404 at once, in all workers."""
    await share_service.revoke(user, share_id=share_id)
    return no_content()


@public.get(
    "/{secret}",
    operation_id="read_shared_report",
    summary="Read a shared report",
    response_model=SharedReport,
    responses={
        **problem_responses(ShareNotFoundError, SharedReportUnavailableError, RateLimitError, DatabaseUnavailableError),
        **header_responses(200, "ETag"),
        **NOT_MODIFIED,
    },
)
async def read_shared_report(_admitted: PublicRead, secret: str, if_none_match: IfNoneMatch) -> Response:
    """The report for somebody without an account. It has no ids of tasks, projects, entries or users."""
    return public_response(await share_service.read(secret=secret), if_none_match=if_none_match)
