"""Health checks for probes."""

from typing import Literal

from fastapi import APIRouter
from pydantic import ConfigDict, with_config
from starlette.responses import Response
from typing_extensions import TypedDict

from app.database.client import ping_with_timeout
from app.errors import DatabaseUnavailableError
from app.http.endpoint import Endpoint
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import DatabaseClient

router = APIRouter(route_class=Endpoint, prefix="/health", tags=["health"])


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "healthy"}]}))
class Health(TypedDict):
    """The service is healthy."""

    status: Literal["healthy"]


HEALTHY: Health = {"status": "healthy"}


@router.get("", operation_id="health", summary="Check that the service responds", response_model=Health)
async def health() -> Response:
    """Returns `healthy` as long as the process serves requests."""
    return json_response(HEALTHY)


@router.get("/live", operation_id="health_live", summary="Liveness probe", response_model=Health)
async def health_live() -> Response:
    """Does not query the database."""
    return json_response(HEALTHY)


@router.get(
    "/ready",
    operation_id="health_ready",
    summary="Readiness probe",
    response_model=Health,
    responses=problem_responses(DatabaseUnavailableError),
)
async def health_ready(client: DatabaseClient) -> Response:
    """Pings the database: 503 if it does not respond within two seconds."""
    await ping_with_timeout(client)
    return json_response(HEALTHY)
