"""The example in the docstring of app/http/endpoint.py, run as it stands there."""

import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from app.config import Settings
from app.errors import StaleVersionError
from app.http import endpoint
from app.http.endpoint import Endpoint, JsonBody
from app.http.problems import problem_responses
from app.main import create_app
from routes.dependencies import IfMatch, Writer
from routes.responses import versioned_response
from services.common.values.fields import RequestModel, Title
from services.tracking.schemas.tasks import TaskRead, TaskUpdate
from services.tracking.tasks import TaskNotFoundError, task_service
from tests.conftest import Database
from tests.support.http import API, Client, parameters, pointers, problem
from tests.support.services import serving_another

MAX_LINES = 12
NAMES = {
    "APIRouter": APIRouter,
    "Endpoint": Endpoint,
    "IfMatch": IfMatch,
    "JsonBody": JsonBody,
    "RequestModel": RequestModel,
    "Response": Response,
    "StaleVersionError": StaleVersionError,
    "TaskNotFoundError": TaskNotFoundError,
    "TaskRead": TaskRead,
    "TaskUpdate": TaskUpdate,
    "Title": Title,
    "Writer": Writer,
    "problem_responses": problem_responses,
    "task_service": task_service,
    "versioned_response": versioned_response,
}


def example() -> str:
    """Return the indented block of the module docstring."""
    lines = str(endpoint.__doc__).partition("::\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    return textwrap.dedent("\n".join(lines[:end])).strip()


@pytest.fixture
def extended_app(settings: Settings) -> FastAPI:
    namespace: dict[str, Any] = {**NAMES, "__name__": __name__}
    exec(example(), namespace)
    app = create_app(settings)
    app.include_router(namespace["router"], prefix=API)
    return app


@pytest.fixture
async def client(extended_app: FastAPI, database: Database, alice: Client) -> AsyncIterator[Client]:
    async with (
        serving_another(extended_app, database) as address,
        Client(base_url=address + API, headers=alice.headers) as client,
    ):
        yield client


class TestExample:
    def test_example_has_about_ten_lines(self) -> None:
        assert len([line for line in example().splitlines() if line]) <= MAX_LINES

    async def test_route_calls_the_service(self, client: Client) -> None:
        task = await client.make_task()
        at = f"/tasks/{task['id']}/rename"
        response = await client.post(at, json={"title": "Write the report"}, headers={"If-Match": '"1"'})
        assert (response.status_code, response.headers["etag"]) == (200, '"2"')
        assert response.json()["title"] == "Write the report"
        assert (await client.read(task))["title"] == "Write the report"
        stale = await client.post(at, json={"title": "Write the offer"}, headers={"If-Match": '"1"'})
        problem(stale, 412, "stale_version")

    async def test_route_validates_its_arguments(self, client: Client) -> None:
        task = await client.make_task()
        at = f"/tasks/{task['id']}/rename"
        assert pointers(await client.post(at, json={"title": 7})) == {"#/title"}
        assert parameters(await client.post(at, json={"title": "x"}, params={"force": "1"})) == {"force"}
        problem(await client.post("/tasks/none/rename", json={"title": "x"}), 404, "task_not_found")

    async def test_route_authenticates_before_it_reads_the_body(self, client: Client) -> None:
        response = await client.post("/tasks/none/rename?x=1", content=b"{", headers={"Authorization": ""})
        problem(response, 401, "not_authenticated")

    def test_route_is_in_the_openapi_document(self, extended_app: FastAPI) -> None:
        operation = extended_app.openapi()["paths"][f"{API}/tasks/{{task_id}}/rename"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/TaskRename"}
        assert [parameter["name"] for parameter in operation["parameters"]] == ["task_id", "If-Match"]
        assert {"200", "401", "404", "412", "422"} <= operation["responses"].keys()


class TestUnknownParameter:
    def test_parameter_without_a_dependency_is_a_type_error(self) -> None:
        router = APIRouter(route_class=Endpoint)

        async def route(number: int) -> Response:
            return Response(str(number))

        with pytest.raises(TypeError, match="route: number is neither"):
            router.get("/")(route)
