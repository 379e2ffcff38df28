from typing import Any

from pymongo import MongoClient

from app.database.deadlines import without_deadline


class TestWithoutDeadline:
    def test_operation_may_take_longer_than_the_timeout_of_the_client(self, database_url: str) -> None:
        for _ in range(3):
            # The first operation of a client connects as well, which takes more than a millisecond.
            with MongoClient[dict[str, Any]](database_url, timeoutMS=1) as client, without_deadline():
                assert client.admin.command("serverStatus")["ok"] == 1
