"""Unknown paths, wrong methods and HEAD."""

import re

import pytest
from fastapi import FastAPI

from tests.support.http import API, Client, problem


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/nothing",
            "/api",
            f"{API}/",
            f"{API}/tasks/",
            f"{API}/nothing",
            f"{API}/users/you",
            "/api/v2/tasks",
            "/health/",
            "/docs/",
            "/docs/assets/",
            "/docs/assets/nothing.js",
            "/docs/assets/%00",
            "/docs/assets/..%2f__init__.py",
            "/docs/assets/%2e%2e/__init__.py",
            "/docs/assets/" + "x" * 5000,
            "/%ff%fe",
            "/redoc",
        ],
    )
    async def test_unknown_path_is_404(self, root: Client, path: str) -> None:
        response = await root.get(path)
        assert response.status_code == 404
        body = response.json()
        assert (body["code"], body["request_id"]) == ("not_found", response.headers["x-request-id"])
        assert response.headers["content-type"] == "application/problem+json"

    async def test_error_does_not_repeat_a_secret_in_the_path(self, root: Client) -> None:
        secret = "5d1e3f49680c7a2b" * 4
        for path in (f"/calendar/{secret}", f"/{secret}/x", f"/x/{secret.upper()}", f"/x/{secret[:-1]}.ics"):
            response = await root.get(API + path)
            assert problem(response, 404, "not_found")["instance"].count("***") == 1
            assert secret[:20] not in str((response.headers, response.text)).lower()

    async def test_405_allows_every_method_of_the_path(self, root: Client, app: FastAPI) -> None:
        paths = {path: {method.upper() for method in operations} for path, operations in app.openapi()["paths"].items()}
        assert len(paths) >= 12
        for path in paths:
            address = re.sub(r"\{\w+\}", "0" * 24, path)
            # A path can match two templates: a name in one of them is in the place of an id in the other.
            matches = [re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), address) and paths[other] for other in paths]
            methods = set().union(*(match for match in matches if match))
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} - methods:
                response = await root.request(method, address)
                problem(response, 405, "method_not_allowed")
                head = {"HEAD"} if "GET" in methods else set()
                assert set(response.headers["allow"].split(", ")) == methods | head, path

    async def test_405_on_a_docs_page_allows_get_and_head(self, root: Client) -> None:
        for path in ("/", "/sw.js", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
            response = await root.post(path)
            problem(response, 405, "method_not_allowed")
            assert {"GET", "HEAD"} <= set(response.headers["allow"].split(", ")), path


class TestHead:
    @pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/nothing", f"{API}/tasks"])
    async def test_head_is_get_without_the_body(self, root: Client, path: str) -> None:
        head, get = await root.head(path), await root.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
