"""The routes that are called directly: the same as FastAPI's router would choose."""

import re
from itertools import product

import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from app.http.dispatch import RouteTable
from app.http.endpoint import Endpoint

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture
def contexts(app: FastAPI) -> list[RouteContext]:
    return list(iter_route_contexts(app.routes))


@pytest.fixture
def table(contexts: list[RouteContext]) -> RouteTable:
    table = RouteTable()
    table.add_all(contexts)
    return table


def first_match(contexts: list[RouteContext], method: str, path: str) -> RouteContext | None:
    """Return the route that FastAPI's router chooses."""
    return next(
        (
            context
            for context in contexts
            if context.path_regex.match(path) and (not context.methods or method in context.methods)
        ),
        None,
    )


def paths_of(contexts: list[RouteContext]) -> set[str]:
    """Return paths like those of the routes, with literal segments of other routes in the place of parameters."""
    templates = {context.path for context in contexts if context.path}
    segments = {path.rsplit("/")[-1] for path in templates if "{" not in path}
    plain = {fill(path, "x") for path in templates}
    filled = {fill(path, value) for path, value in product(templates, [*segments, "a b", "x.ics", "x\n", "%2f"])}
    return filled | {path + end for path, end in product(plain, ["", "/", "\n", "/x"])}


def fill(path: str, value: str) -> str:
    """Return the path with this value of each parameter."""
    return re.sub(r"\{\w+(:\w+)?\}", value, path)


class TestRouteTable:
    def test_every_operation_is_found(self, contexts: list[RouteContext], table: RouteTable) -> None:
        operations = [context for context in contexts if isinstance(context.original_route, Endpoint)]
        assert len(operations) > 60
        for context in operations:
            assert context.methods is not None
            (method,) = context.methods
            found = table.find(method, re.sub(r"\{(\w+)\}", r"\1", context.path or ""))
            assert found is not None
            route, path_params = found
            assert route.endpoint is context.endpoint
            assert path_params == {name: name for name in context.param_convertors}

    def test_route_is_the_one_that_the_router_chooses(self, contexts: list[RouteContext], table: RouteTable) -> None:
        for method, path in product(METHODS, paths_of(contexts)):
            expected, found = first_match(contexts, method, path), table.find(method, path)
            if expected is None or not isinstance(expected.original_route, Endpoint):
                assert found is None, (method, path)
            else:
                assert found is not None, (method, path)
                assert found[0].endpoint is expected.endpoint, (method, path)
