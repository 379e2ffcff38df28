"""The media type and the JSON syntax of a body."""

import pytest

from tests.support.http import Client, pointers, problem

JSON = {"Content-Type": "application/json"}


class TestMediaType:
    @pytest.mark.parametrize(
        "media_type",
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp", "json", "", "/"],
    )
    async def test_other_media_type_is_415(self, alice: Client, media_type: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={"Content-Type": media_type})
        assert "application/json" in problem(response, 415, "unsupported_media_type")["detail"]

    async def test_missing_media_type_is_415(self, alice: Client) -> None:
        problem(await alice.post("/tasks", content=b'{"title": "x"}'), 415, "unsupported_media_type")

    @pytest.mark.parametrize("media_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
    async def test_case_and_parameters_of_the_media_type_are_ignored(self, alice: Client, media_type: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={"Content-Type": media_type})
        assert response.status_code == 201


class TestOptionalBody:
    @pytest.mark.parametrize("path", ["/timer/resume", "/tasks/{id}/restore", "/time-entries/{id}/restore"])
    async def test_body_may_be_empty_but_not_have_fields(self, alice: Client, path: str) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        address = path.format(id=(task if "tasks" in path else entry)["id"])
        refused = await alice.post(address, json={"note": "not a field of this body"})
        assert pointers(refused) == {"#/note"}
        assert (await alice.get("/timer")).status_code == 204
        assert (await alice.post(address)).status_code in {200, 201}
        assert (await alice.post(address, json={})).status_code == 200


class TestJsonSyntax:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"nonsense",
            b"{'title': 'x'}",
            b'{"title": "x"} {}',
            b'{"title": "x",}',
            b'{"title": "\xff\xfe"}',
            b'{"title": "\xc3\x28"}',
            b'{"title": "\xed\xa0\x80"}',
            rb'{"title": "\ud800"}',
            rb'{"title": "\udc00 \ud800"}',
            b'{"title": "a\nb"}',
            b"[" * 100_000,
            b'{"title":' * 100_000,
            b'{"title": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            b'\xef\xbb\xbf{"title": "x"}',
            '{"title": "x"}'.encode("utf-16"),
        ],
    )
    async def test_invalid_json_is_422_at_the_root(self, alice: Client, body: bytes) -> None:
        assert pointers(await alice.post("/tasks", content=body, headers=JSON)) == {"#"}

    @pytest.mark.parametrize(
        ("value", "pointer"),
        [
            (b"1" * 400, "#/priority"),
            (b"-" + b"9" * 4_000, "#/priority"),
            (b"1e999", "#/priority"),
            (b"-1e999", "#/priority"),
            (b"NaN", "#/priority"),
            (b"Infinity", "#/priority"),
            (b"1.0", "#/priority"),
            (b"9223372036854775808", "#/priority"),
            (b"true", "#/priority"),
            (b'"1"', "#/priority"),
        ],
    )
    async def test_invalid_number_is_422_at_its_field(self, alice: Client, value: bytes, pointer: str) -> None:
        body = b'{"title": "x", "priority": ' + value + b"}"
        assert pointers(await alice.post("/tasks", content=body, headers=JSON)) == {pointer}

    async def test_number_with_100000_digits_is_422(self, alice: Client) -> None:
        body = b'{"title": "x", "estimate_seconds": ' + b"9" * 100_000 + b"}"
        problem(await alice.post("/tasks", content=body, headers=JSON), 422, "invalid_request")

    async def test_pointers_have_list_indexes_and_escaped_names(self, alice: Client) -> None:
        body = {"title": "x", "tags": ["ok", 7, ""], "a/b": 1, "m~n": 2}
        assert pointers(await alice.post("/tasks", json=body)) == {"#/tags/1", "#/tags/2", "#/a~1b", "#/m~0n"}
