"""A service with routes that raise unexpected exceptions."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from app.config import Settings
from app.main import create_app
from tests.conftest import Database
from tests.support.http import Client
from tests.support.services import serving_another


def crashing_app(settings: Settings) -> FastAPI:
    """Create the service with a route that crashes at once, and one that crashes after half of its body."""
    app = create_app(settings)

    @app.api_route("/crash", methods=["GET", "POST"])
    async def crash() -> None:
        raise RuntimeError("the secret of the cellar")

    @app.get("/crash/half-way")
    async def crash_half_way() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"the first half"
            raise RuntimeError("the secret of the cellar")

        return StreamingResponse(parts())

    return app


@pytest.fixture
async def crashing_client(settings: Settings, database: Database, alice: Client) -> AsyncIterator[Client]:
    """A client of a service with such routes, which allows the origin https://app.example."""
    app = crashing_app(settings.model_copy(update={"cors_origins": ("https://app.example",)}))
    async with serving_another(app, database) as address, Client(base_url=address, headers=alice.headers) as client:
        yield client
