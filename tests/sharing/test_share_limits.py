"""What the readers of shared reports can cost the service."""

from collections.abc import AsyncIterator

import pytest

from app.config import Settings
from app.main import create_app
from tests.conftest import Database
from tests.sharing.share_requests import read, secret_of, share
from tests.support.http import API, Client, problem
from tests.support.services import serving_another

READS_PER_MINUTE = 3


@pytest.fixture
async def limited(settings: Settings, database: Database, alice: Client) -> AsyncIterator[Client]:
    """An anonymous client of a service that admits few reads from an address."""
    assert alice.user
    limits = {"rate_limits_enabled": True, "public_reads_per_minute_by_address": READS_PER_MINUTE}
    app = create_app(settings.model_copy(update=limits))
    async with serving_another(app, database) as address, Client(base_url=address + API, timeout=30) as client:
        yield client


class TestRateLimit:
    async def test_reads_are_limited_by_address(self, alice: Client, limited: Client) -> None:
        created = await share(alice)
        statuses = [(await read(limited, created)).status_code for _ in range(READS_PER_MINUTE)]
        assert statuses == [200] * READS_PER_MINUTE
        response = await read(limited, created)
        problem(response, 429, "rate_limited")
        assert response.headers["ratelimit-limit"] == str(READS_PER_MINUTE)
        assert 1 <= int(response.headers["retry-after"]) <= 60

    async def test_unknown_secrets_count_too(self, alice: Client, limited: Client) -> None:
        created = await share(alice)
        for number in range(READS_PER_MINUTE):
            problem(await limited.get(f"/shared/{number:064x}"), 404, "share_not_found")
        problem(await read(limited, created), 429, "rate_limited")

    async def test_requests_with_a_token_have_their_own_limit(self, alice: Client, limited: Client) -> None:
        for _ in range(READS_PER_MINUTE + 1):
            await limited.get(f"/shared/{secret_of(await share(alice))}")
        response = await limited.get("/shares", headers={"Authorization": alice.headers["authorization"]})
        assert response.status_code == 200
