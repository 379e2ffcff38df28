"""Limits on the size of a request: its body, its query and its number of errors."""

import asyncio
import json
from collections.abc import AsyncIterator

from tests.support.http import Client, pointers, problem

JSON = {"Content-Type": "application/json"}

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


ONE_MIB = 1024 * 1024


async def chunks(body: bytes, *, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


class TestBodySize:
    async def test_large_content_length_is_413(self, alice: Client) -> None:
        body = json.dumps({"title": "x", "description": "y" * ONE_MIB}).encode()
        problem(await alice.post("/tasks", content=body, headers=JSON), 413, "body_too_large")

    async def test_large_chunked_body_is_413(self, alice: Client) -> None:
        body = json.dumps({"title": "x", "description": "y" * ONE_MIB}).encode()
        problem(await alice.post("/tasks", content=chunks(body), headers=JSON), 413, "body_too_large")

    async def test_large_form_is_413(self, anonymous: Client) -> None:
        body = b"username=a&password=" + b"b" * ONE_MIB
        problem(await anonymous.post("/auth/token", content=body, headers=FORM), 413, "body_too_large")

    async def test_body_of_exactly_the_limit_is_accepted(self, alice: Client) -> None:
        start, end = b'{"title": "x"', b"}"
        at_the_limit = start + b" " * (ONE_MIB - len(start) - len(end)) + end
        for body in (at_the_limit, chunks(at_the_limit)):
            assert (await alice.post("/tasks", content=body, headers=JSON)).status_code == 201
        problem(await alice.post("/tasks", content=at_the_limit + b" ", headers=JSON), 413, "body_too_large")
        response = await alice.post("/tasks", content=chunks(at_the_limit + b" "), headers=JSON)
        assert f"{ONE_MIB:,}" in problem(response, 413, "body_too_large")["detail"]

    async def test_large_body_creates_nothing(self, alice: Client) -> None:
        body = json.dumps({"title": "x" * ONE_MIB}).encode()
        await asyncio.gather(*(alice.post("/tasks", content=chunks(body), headers=JSON) for _ in range(4)))
        assert (await alice.list())["items"] == []


class TestOtherLimits:
    async def test_thousands_of_query_parameters_are_422_without_details(self, root: Client) -> None:
        response = await root.get("/health?" + "&".join(f"a{number}" for number in range(10_000)))
        assert "errors" not in problem(response, 422, "invalid_request")

    async def test_thousands_of_errors_are_counted_but_not_listed(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={f"field {number}": 1 for number in range(20_000)})
        assert pointers(response) == {"#"}
        assert len(response.content) < 1000

    async def test_long_name_is_shortened_in_the_response(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={"n" * 100_000: 1})
        problem(response, 422, "invalid_request")
        assert len(response.content) < 1000

    async def test_duplicate_name_in_an_object_is_422(self, alice: Client) -> None:
        for body in ('{"title": "a", "title": "b"}', '{"title": "a", "tags": [], "tags": []}'):
            response = await alice.post("/tasks", content=body, headers={"Content-Type": "application/json"})
            assert pointers(response) == {"#"}
        assert (await alice.list())["items"] == []
