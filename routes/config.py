"""The public configuration of the service."""

from fastapi import APIRouter
from starlette.responses import Response

from app.http.endpoint import Endpoint
from app.http.json import json_response
from routes.dependencies import ServiceSettings
from services.common.service_config import ServiceConfig, read_config

router = APIRouter(route_class=Endpoint, prefix="/config", tags=["config"])


@router.get("", operation_id="get_config", summary="Get the public configuration", response_model=ServiceConfig)
async def get_config(settings: ServiceSettings) -> Response:
    """Name, version, whether registration is open, and the docs page. No token is required."""
    return json_response(read_config(settings))
