from typing import Any

import pytest
from pymongo import MongoClient

from app.database.client import operation_timeout_ms
from app.database.deadlines import without_deadline


class TestWithoutDeadline:
    def test_operation_may_take_longer_than_the_timeout_of_the_client(self, database_url: str) -> None:
        for _ in range(3):
            # The first operation of a client connects as well, which takes more than a millisecond.
            with MongoClient[dict[str, Any]](database_url, timeoutMS=1) as client, without_deadline():
                assert client.admin.command("serverStatus")["ok"] == 1


class TestTimeoutInTheAddress:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ("", 5000),
            ("?timeoutMS=500", 500),
            ("?w=1&timeoutms=4999", 4999),
            ("?timeoutMS=5001", 5000),
            ("?timeoutMS=0", 5000),
            ("?connectTimeoutMS=500", 5000),
        ],
    )
    def test_shorter_timeout_of_the_address_is_used(self, options: str, expected: int) -> None:
        assert operation_timeout_ms(f"mongodb://127.0.0.1/{options}") == expected
