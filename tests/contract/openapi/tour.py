"""Requests to every operation, and the check of each response against the OpenAPI document."""

import re

import httpx

from tests.contract.openapi.document import contents, operations, validator
from tests.support.http import API, Client, Json


class Tour:
    """Holds every answer of the service against what the document says of it."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str]] = set()
        self.tokens: dict[str, str] = {}

    async def check(self, response: httpx.Response) -> None:
        await response.aread()
        operation = self.operation(response.request)
        status = str(response.status_code)
        self.seen.add((operation["operationId"], status))
        assert status in operation["responses"], (operation["operationId"], response.text)
        self.check_the_headers(operation["operationId"], status, operation["responses"][status], response)
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

    def check_the_headers(self, name: str, status: str, declared: Json, response: httpx.Response) -> None:
        sent = {header for header in self.document["components"]["headers"] if header in response.headers}
        assert sent <= declared["headers"].keys(), (name, status, sent)
        missing = declared["headers"].keys() - sent - {"Idempotency-Replayed"}
        if status == "403":  # only what refuses a token has a word on it
            missing.discard("WWW-Authenticate")
        assert not missing, (name, status, missing)

    def token_of_another_scope(self, operation: Json) -> str:
        needed = {scope for scheme in operation["security"] for scope in scheme.get("Password", ())}
        return next(token for scope, token in self.tokens.items() if scope not in needed)

    def operation(self, request: httpx.Request) -> Json:
        (path, *_) = (path for path in self.document["paths"] if self.leads_to(path, request.url.path))
        operation: Json = self.document["paths"][path][request.method.lower()]
        return operation

    def leads_to(self, path: str, address: str) -> bool:
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), address) is not None

    async def provoke_common_errors(self, client: Client) -> None:
        for path, method, operation in operations(self.document):
            at = re.sub(r"\{\w+\}", "0" * 24, path)
            await client.request(method, at, params={"unknown": "1"})
            if operation["security"]:
                await client.request(method, at, headers={"Authorization": ""})
                await client.request(method, at, headers={"Authorization": "Bearer garbage"})
                await client.request(
                    method, at, headers={"Authorization": f"Bearer {self.token_of_another_scope(operation)}"}
                )
            for media_type in operation.get("requestBody", {}).get("content", ()):
                sent_type = {"Content-Type": media_type}
                await client.request(method, at, content=b"x" * 1_100_000, headers=sent_type)
                await client.request(method, at, content=b"x", headers={"Content-Type": "text/plain"})


class ClientOfTheRoot(Client):
    """A client whose shortcuts reach the API although it begins at the root."""

    def _merge_url(self, url: httpx._types.URLTypes) -> httpx.URL:
        path = str(url)
        return super()._merge_url(
            API + path if path.startswith(("/tasks", "/timer", "/projects", "/imports")) else path
        )
