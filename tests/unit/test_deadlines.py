"""What takes its time is not cut off by the deadline that every other operation has."""

from typing import Any

from pymongo import MongoClient

from app.database.deadlines import without_deadline


class TestAnOperationWithoutHaste:
    def test_has_more_time_than_the_client_gives(self, database_url: str) -> None:
        for _ in range(3):
            # Its first operation connects, too, which takes longer than that.
            with MongoClient[dict[str, Any]](database_url, timeoutMS=1) as client, without_deadline():
                assert client.admin.command("serverStatus")["ok"] == 1
