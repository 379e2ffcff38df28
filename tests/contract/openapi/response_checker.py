"""Checks of responses against the OpenAPI document."""

import re

import httpx

from tests.contract.openapi.document import contents, operations, validator
from tests.support.http import API, Client, Json


class ResponseChecker:
    """Checks each response against its operation in the document, and records its status.

    `tokens` are API tokens by scope.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str]] = set()
        self.tokens: dict[str, str] = {}

    async def check(self, response: httpx.Response) -> None:
        """Assert that status, headers and content of the response are declared."""
        await response.aread()
        operation = self.operation(response.request)
        status = str(response.status_code)
        self.seen.add((operation["operationId"], status))
        assert status in operation["responses"], (operation["operationId"], response.text)
        self.check_headers(operation["operationId"], status, operation["responses"][status], response)
        declared = contents(operation["responses"][status])
        if not declared:
            assert not response.content
            return
        content = declared[response.headers["content-type"].partition(";")[0]]
        if content["schema"].get("type") == "string":
            assert response.content
            return
        validator(self.document, content["schema"]).validate(response.json())
        if status >= "400":
            assert response.json()["code"] in content["examples"], (operation["operationId"], response.text)

    def check_headers(self, name: str, status: str, declared: Json, response: httpx.Response) -> None:
        """Assert that the response has the declared headers, and no other documented ones."""
        sent = {header for header in self.document["components"]["headers"] if header in response.headers}
        assert sent <= declared["headers"].keys(), (name, status, sent)
        missing = declared["headers"].keys() - sent - {"Idempotency-Replayed", "Set-Cookie"}
        if status == "403":  # only a refused token has the header
            missing.discard("WWW-Authenticate")
        assert not missing, (name, status, missing)

    def token_without_scope(self, operation: Json) -> str:
        """Return an API token that the operation does not accept."""
        accepted = {scope for scheme in operation["security"] for scope in scheme.get("Password", ())}
        return next(token for scope, token in self.tokens.items() if scope not in accepted)

    def operation(self, request: httpx.Request) -> Json:
        """Return the operation object of a request."""
        (path, *_) = (path for path in self.document["paths"] if self.matches(path, request.url.path))
        operation: Json = self.document["paths"][path][request.method.lower()]
        return operation

    def matches(self, path: str, request_path: str) -> bool:
        """Return whether the path template matches the path of a request."""
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request_path) is not None

    async def provoke_common_errors(self, client: Client) -> None:
        """Send the requests to every operation that get 401, 403, 413, 415 and 422."""
        for path, method, operation in operations(self.document):
            url = re.sub(r"\{\w+\}", "0" * 24, path)
            await client.request(method, url, params={"unknown": "1"})
            if operation["security"]:
                await client.request(method, url, headers={"Authorization": ""})
                await client.request(method, url, headers={"Authorization": "Bearer garbage"})
                await client.request(
                    method, url, headers={"Authorization": f"Bearer {self.token_without_scope(operation)}"}
                )
            for media_type in operation.get("requestBody", {}).get("content", ()):
                headers = {"Content-Type": media_type}
                await client.request(method, url, content=b"x" * 1_100_000, headers=headers)
                await client.request(method, url, content=b"x", headers={"Content-Type": "text/plain"})


class RootClient(Client):
    """A client at the root of the service, whose shortcuts use the prefix of the API."""

    def _merge_url(self, url: httpx._types.URLTypes) -> httpx.URL:
        path = str(url)
        return super()._merge_url(
            API + path if path.startswith(("/tasks", "/timer", "/projects", "/imports")) else path
        )
