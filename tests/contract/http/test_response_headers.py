"""The request id and the security headers of every response."""

from string import hexdigits

import pytest

from tests.contract.http.security_headers import assert_security_headers
from tests.support.http import API, Client, problem

JSON = {"Content-Type": "application/json"}

ONE_MIB = 1024 * 1024


class TestRequestId:
    @pytest.mark.parametrize("sent", ["a", "6f2c-11.b_c:d", "x" * 128, "0"])
    async def test_valid_request_id_is_returned(self, root: Client, sent: str) -> None:
        for path in ("/health", "/nothing"):
            assert (await root.get(path, headers={"X-Request-ID": sent})).headers["x-request-id"] == sent

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", '"', "é", "a,b", "a\tb", "../..", "{}"])
    async def test_invalid_request_id_is_replaced(self, root: Client, sent: str) -> None:
        response = await root.get("/nothing", headers={b"X-Request-ID": sent.encode()})
        request_id = problem(response, 404, "not_found")["request_id"]
        assert len(request_id) == 32
        assert set(request_id) <= set(hexdigits)

    async def test_each_request_has_its_own_id(self, root: Client) -> None:
        ids = [(await root.get("/health")).headers["x-request-id"] for _ in range(5)]
        assert len(set(ids)) == 5

    async def test_response_has_one_request_id(self, root: Client) -> None:
        response = await root.get("/health", headers={"X-Request-ID": "mine"})
        assert response.headers.get_list("x-request-id") == ["mine"]


class TestSecurityHeaders:
    async def test_every_status_has_them(self, alice: Client, root: Client) -> None:
        task = await alice.make_task()
        at = f"/tasks/{task['id']}"
        responses = {
            200: await alice.get(at),
            201: await alice.post("/tasks", json={"title": "x"}),
            204: await alice.get("/timer"),
            304: await alice.get(at, headers={"If-None-Match": '"1"'}),
            401: await root.get(f"{API}/tasks"),
            404: await root.get("/nothing"),
            405: await root.put("/health"),
            412: await alice.patch(at, json={}, headers={"If-Match": '"7"'}),
            413: await alice.post("/tasks", content=b"x" * (ONE_MIB + 1), headers=JSON),
            415: await alice.post("/tasks", content=b"x", headers={"Content-Type": "text/plain"}),
            422: await alice.post("/tasks", json={}),
        }
        await alice.start(task)
        responses[409] = await alice.post("/timer/start", json={"task_id": (await alice.make_task())["id"]})
        for status, response in responses.items():
            assert response.status_code == status
            assert_security_headers(response)

    async def test_pages_and_assets_have_them(self, root: Client) -> None:
        for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui-bundle.js", "/health"):
            response = await root.get(path)
            assert response.status_code == 200
            assert_security_headers(response)

    async def test_responses_to_a_user_are_private(self, alice: Client) -> None:
        assert "private" in (await alice.get("/tasks")).headers["cache-control"]
