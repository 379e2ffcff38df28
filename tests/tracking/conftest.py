"""Fixtures for the tests of tracking."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent


@pytest.fixture
async def consistent_counters(database: Database) -> AsyncIterator[None]:
    """Check after the test that the counters of every task are those of its entries."""
    yield
    await assert_stored_time_is_consistent(database)
