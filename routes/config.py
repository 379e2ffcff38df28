"""What a client may know before anybody signs in."""

from fastapi import APIRouter
from starlette.responses import Response

from app.json import json_response
from routes.dependencies import ServiceSettings
from routes.endpoints import Endpoint
from services.schemas.config import ServiceConfig, read_config

router = APIRouter(route_class=Endpoint, prefix="/config", tags=["config"])


@router.get("", operation_id="get_config", summary="Read about the service", response_model=ServiceConfig)
async def get_config(settings: ServiceSettings) -> Response:
    """Its name and version, whether strangers may make an account, and where its docs page is. It needs no token."""
    return json_response(read_config(settings))
