"""Webhooks, to which changes are sent. These routes need a session."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import IDEMPOTENCY_ERRORS, IdempotencyKey, NoBody, Page, RecordedChanges, SessionUser, Webhooks
from routes.responses import accepted_response, header_responses, no_content, secret_response
from services.feed.feed import ChangesDisabledError
from services.webhooks.schemas import (
    DeliveryPage,
    DeliveryRead,
    WebhookCreate,
    WebhookPage,
    WebhookRead,
    WebhookUpdate,
    WebhookWithSecret,
)
from services.webhooks.webhooks import (
    AlreadyDeliveredError,
    DeliveryNotFoundError,
    TooManyWebhooksError,
    WebhookInactiveError,
    WebhookNotFoundError,
)

router = APIRouter(route_class=Endpoint, prefix="/webhooks", tags=["webhooks"])


@router.get("", operation_id="list_webhooks", summary="List webhooks", response_model=WebhookPage)
async def list_webhooks(webhooks: Webhooks, user: SessionUser, query: Page) -> Response:
    """Newest first, without their secrets."""
    return json_response(await webhooks.list_webhooks(user, query=query))


@router.post(
    "",
    operation_id="create_webhook",
    summary="Create a webhook",
    status_code=201,
    response_model=WebhookWithSecret,
    responses={
        **header_responses(201, "Location"),
        **problem_responses(ChangesDisabledError, TooManyWebhooksError, *IDEMPOTENCY_ERRORS),
    },
)
async def create_webhook(
    request: Request,
    webhooks: Webhooks,
    user: SessionUser,
    _recorded: RecordedChanges,
    new: JsonBody[WebhookCreate],
    key: IdempotencyKey,
) -> Response:
    """Later changes are sent to the URL. The secret that signs them is shown only in this response."""
    webhook = await webhooks.create(user, new=new, request_key=key)
    return secret_response(webhook, location=request.scope["path"])


@router.get(
    "/{webhook_id}",
    operation_id="get_webhook",
    summary="Get a webhook",
    response_model=WebhookRead,
    responses=problem_responses(WebhookNotFoundError),
)
async def get_webhook(webhooks: Webhooks, user: SessionUser, webhook_id: str) -> Response:
    """Without its secret."""
    return json_response(await webhooks.get(user, webhook_id=webhook_id))


@router.patch(
    "/{webhook_id}",
    operation_id="change_webhook",
    summary="Update a webhook",
    response_model=WebhookRead,
    responses=problem_responses(WebhookNotFoundError),
)
async def change_webhook(
    webhooks: Webhooks, user: SessionUser, webhook_id: str, change: JsonBody[WebhookUpdate]
) -> Response:
    """Pending deliveries are sent to a new URL. A webhook that is activated again gets what it has missed."""
    return json_response(await webhooks.update(user, webhook_id=webhook_id, change=change))


@router.delete(
    "/{webhook_id}",
    operation_id="delete_webhook",
    summary="Delete a webhook",
    status_code=204,
    responses=problem_responses(WebhookNotFoundError),
)
async def delete_webhook(webhooks: Webhooks, user: SessionUser, webhook_id: str) -> Response:
    """With its deliveries. Those that are pending are not sent."""
    await webhooks.delete(user, webhook_id=webhook_id)
    return no_content()


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Replace the secret of a webhook",
    response_model=WebhookWithSecret,
    responses=problem_responses(WebhookNotFoundError, *IDEMPOTENCY_ERRORS),
)
async def rotate_webhook_secret(
    webhooks: Webhooks, user: SessionUser, webhook_id: str, _body: NoBody, key: IdempotencyKey
) -> Response:
    """The new secret is shown only in this response. For 24 hours requests are signed with the previous one as well."""
    return secret_response(await webhooks.rotate_secret(user, webhook_id=webhook_id, request_key=key))


@router.post(
    "/{webhook_id}/test",
    operation_id="send_webhook_test",
    summary="Send a test to a webhook",
    status_code=202,
    response_model=DeliveryRead,
    responses=problem_responses(WebhookNotFoundError, WebhookInactiveError, *IDEMPOTENCY_ERRORS),
)
async def send_webhook_test(
    webhooks: Webhooks, user: SessionUser, webhook_id: str, _body: NoBody, key: IdempotencyKey
) -> Response:
    """Sends a request of the type `webhook.test`. The list of deliveries shows the result."""
    return accepted_response(await webhooks.send_test(user, webhook_id=webhook_id, request_key=key))


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="List the deliveries of a webhook",
    response_model=DeliveryPage,
    responses=problem_responses(WebhookNotFoundError),
)
async def list_webhook_deliveries(webhooks: Webhooks, user: SessionUser, webhook_id: str, query: Page) -> Response:
    """Newest first. Deliveries are stored for 30 days."""
    return json_response(await webhooks.list_deliveries(user, webhook_id=webhook_id, query=query))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/retry",
    operation_id="retry_webhook_delivery",
    summary="Retry a delivery",
    status_code=202,
    response_model=DeliveryRead,
    responses=problem_responses(
        WebhookNotFoundError, DeliveryNotFoundError, WebhookInactiveError, AlreadyDeliveredError
    ),
)
async def retry_webhook_delivery(
    webhooks: Webhooks, user: SessionUser, webhook_id: str, delivery_id: str, _body: NoBody
) -> Response:
    """Sends a pending or failed delivery now instead of later."""
    return json_response(
        await webhooks.retry_delivery(user, webhook_id=webhook_id, delivery_id=delivery_id), status=202
    )
