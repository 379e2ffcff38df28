"""Routes whose arguments are found without FastAPI's general machinery, at a fraction of its price."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import Parameter, signature
from typing import Annotated, Any, get_args, get_origin

from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from app.arguments import Query, refuse_unknown_parameters

Find = Callable[[Request], Awaitable[Any]]


class Endpoint(APIRoute):
    """A route that asks each of its dependencies for an argument.

    Who is asking comes first, then whether the query parameters are known, then all the rest in the
    order of the signature. FastAPI reads the same signature for the OpenAPI document. A dependency
    here is an async callable of the request alone; a parameter is one of those, part of the path,
    or the request. What is neither is a TypeError as the route is made.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answers a request with what the endpoint makes of its arguments."""
        finders: dict[str, Any] = {
            name: self._find(parameter) for name, parameter in signature(self.endpoint).parameters.items()
        }
        identity: dict[str, Any] = {name: find for name, find in finders.items() if isinstance(find, SecurityBase)}
        rest = {name: find for name, find in finders.items() if name not in identity}
        known = {name: many for find in rest.values() if isinstance(find, Query) for name, many in find.names.items()}
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            arguments = {name: await find(request) for name, find in identity.items()}
            refuse_unknown_parameters(request, known)
            for name, find in rest.items():
                arguments[name] = await find(request)
            return await endpoint(**arguments)

        return handle

    def _find(self, parameter: Parameter) -> Find:
        if parameter.name in self.param_convertors:
            return _part_of_the_path(parameter.name)
        if parameter.annotation is Request:
            return _the_request
        marks = get_args(parameter.annotation)[1:] if get_origin(parameter.annotation) is Annotated else ()
        for mark in marks:
            if isinstance(mark, Depends) and mark.dependency is not None:
                find: Find = mark.dependency
                return find
        raise TypeError(f"{self.endpoint.__name__}: {parameter.name} is no argument that an endpoint takes")


def _part_of_the_path(name: str) -> Find:
    async def find(request: Request) -> str:
        return str(request.path_params[name])

    return find


async def _the_request(request: Request) -> Request:
    return request
