"""Fixtures of the contract tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.http import Client


@pytest.fixture
async def root(empty_service: str) -> AsyncIterator[Client]:
    """A client without a token, at the root of the service."""
    async with Client(base_url=empty_service, timeout=30) as client:
        yield client
