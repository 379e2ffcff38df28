"""What takes its time is not cut off by the deadline that every other operation has."""

from time import monotonic
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ServerSelectionTimeoutError

from app.database import without_haste
from tests.processes import free_port


class TestAnOperationWithoutHaste:
    def test_waits_longer_than_the_client_would(self) -> None:
        nobody = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
        with MongoClient[dict[str, Any]](nobody, timeoutMS=1, serverSelectionTimeoutMS=300) as client:
            began = monotonic()
            with without_haste(), pytest.raises(ServerSelectionTimeoutError):
                client.admin.command("ping")
            assert monotonic() - began >= 0.3
