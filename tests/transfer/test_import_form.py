"""The form of an upload, and files that cannot be read."""

from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import Client, parameters, pointers, problem
from tests.transfer.uploads import HEADER, WEEK, import_rows, row, stored_items, upload


class TestForm:
    @pytest.mark.parametrize(
        ("fields", "at_fault"),
        [
            ({"format": "sap"}, "#/format"),
            ({"format": None}, "#/format"),
            ({"timezone": None}, "#/timezone"),
            ({"timezone": "Mars/Olympus"}, "#/timezone"),
            ({"date_order": "ydm"}, "#/date_order"),
            ({"dry_run": "yes"}, "#/dry_run"),
            ({"strict": "1"}, "#/strict"),
            ({"more": "1"}, "#/more"),
            ({"timezone": ["UTC", "UTC"]}, "#/timezone"),
            ({"timezone": "x" * 9000}, "#"),
            ({"user": " "}, "#/user"),
            ({"user": "Eve"}, "#/user"),
            ({"currency": "EURO"}, "#/currency"),
            ({"columns": "task"}, "#/columns"),
            ({"columns": "[]"}, "#/columns"),
            ({"columns": '{"what": "Task"}'}, "#/columns"),
            ({"columns": '{"task": 1}'}, "#/columns"),
            ({"columns": '{"task": "Task", "title": "Task"}'}, "#/columns"),
            ({"columns": '{"task": "Nothing"}'}, "#/columns"),
            ({"day_start": "9"}, "#/day_start"),
            ({"day_start": "24:00"}, "#/day_start"),
        ],
    )
    async def test_invalid_field_is_refused(
        self, fields: dict[str, Any], at_fault: str, alice: Client, database: Database
    ) -> None:
        assert pointers(await upload(alice, WEEK, **fields)) == {at_fault}
        assert await stored_items(database) == []

    async def test_error_has_the_maximum_size_of_a_field(self, alice: Client) -> None:
        refused = problem(await upload(alice, WEEK, timezone="x" * 9000), 422, "invalid_request")
        assert "maximum size of 8KB" in refused["errors"][0]["detail"]

    async def test_exactly_one_file_is_required(self, alice: Client) -> None:
        form = {"format": "csv", "timezone": "UTC"}
        file = ("time.csv", (HEADER + WEEK).encode(), "text/csv")
        assert pointers(await alice.post("/imports", data=form, files={"other": file})) == {"#/file"}
        assert pointers(await alice.post("/imports", data=form, files=[("file", file)] * 2)) == {"#/file"}
        assert pointers(await alice.post("/imports", data=form, files=[("file", file)] * 3)) == {"#"}
        assert pointers(await alice.post("/imports", files={"format": (None, "csv"), "file": (None, "x")})) == {
            "#/file"
        }
        both = {"file": file, "timezone": file}
        assert pointers(await alice.post("/imports", data={"format": "csv"}, files=both)) == {"#/timezone"}

    @pytest.mark.parametrize(
        "body", [b"", b"--x\r\n", b"nonsense", b"--x\r\nContent-Disposition: nonsense\r\n\r\n\r\n--x--"]
    )
    async def test_malformed_form_is_refused(self, body: bytes, alice: Client) -> None:
        sent = {"Content-Type": "multipart/form-data; boundary=x"}
        assert pointers(await alice.post("/imports", content=body, headers=sent)) <= {"#", "#/file"}
        sent = {"Content-Type": "multipart/form-data"}
        assert pointers(await alice.post("/imports", content=body, headers=sent)) == {"#"}

    async def test_truncated_form_is_refused(self, alice: Client) -> None:
        request = alice.build_request(
            "POST", "/imports", data={"format": "csv", "timezone": "UTC"}, files={"file": ("a.csv", b"x" * 2_000_000)}
        )
        whole = await request.aread()
        sent = {"Content-Type": request.headers["content-type"]}
        assert pointers(await alice.post("/imports", content=whole[:-40], headers=sent)) == {"#/file"}

    async def test_other_content_type_is_refused(self, alice: Client) -> None:
        for answer in (await alice.post("/imports", json={}), await alice.post("/imports", data={"format": "csv"})):
            problem(answer, 415, "unsupported_media_type")

    async def test_unknown_query_parameter_is_refused(self, alice: Client) -> None:
        answer = await alice.post("/imports", params={"timezone": "UTC"}, files={"file": ("a.csv", b"")})
        assert parameters(answer) == {"timezone"}

    async def test_body_is_limited_to_20_mib(self, alice: Client) -> None:
        """The size is checked before the form is parsed."""
        sent = {"Content-Type": "multipart/form-data; boundary=x"}
        problem(
            await alice.post("/imports", content=b"x" * (20 * 1024 * 1024 + 1), headers=sent), 413, "body_too_large"
        )
        problem(await alice.post("/tasks", content=b"x" * (1024 * 1024 + 1)), 413, "body_too_large")
        lines = "".join(row(2, "09:00", "10:00", note="x" * 1_000) for _ in range(1_100))
        assert (await import_rows(alice, lines))["created"]["entries"] == 1_100


class TestUnreadableFile:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x00" * 100,
            b"Start,Nonsense\n",
            b"nonsense\n",
            b"\xff\xfe\x00",
            b'Start,End,Task\n"2026-11-02',
            b"\x1f\x8b" * 9,
        ],
    )
    async def test_is_refused_with_a_pointer(self, content: bytes, alice: Client, database: Database) -> None:
        form = {"format": "csv", "timezone": "UTC"}
        answer = await alice.post("/imports", data=form, files={"file": ("a.csv", content)})
        assert pointers(answer) <= {"#/file", "#/date_order"}
        assert await stored_items(database) == []
        assert await database.import_batches.count_documents({}) == 0
