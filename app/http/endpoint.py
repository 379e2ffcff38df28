"""What an endpoint takes from its request: each argument finds itself, and tells the OpenAPI document of itself.

FastAPI reads a body before it asks who is calling; here 401 comes before anything that a body
could cause. And it has one way for all kinds of argument, which costs more than all that these do.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.params import Depends
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from starlette.requests import Request
from starlette.responses import Response

from app.errors import FieldError, UnsupportedMediaTypeError, ValidationError
from app.http.json_schema import REF, body_schemas, form_schemas, query_parameters
from app.validation_errors import body_errors, query_errors

MAX_FORM_FIELDS = 20
MAX_PARAMETERS = 100
MERGE_PATCH = "application/merge-patch+json"

Operation = dict[str, Any]
Find = Callable[[Request], Awaitable[Any]]
Value_co = TypeVar("Value_co", covariant=True)
Model = TypeVar("Model", bound=BaseModel)


def refuse_unknown_parameters(request: Request, known: Mapping[str, bool]) -> None:
    """Raises ValidationError for a query parameter that is not known, or is given twice but may not be.

    `known` tells of each name whether it may be given more than once.
    """
    if not request.scope["query_string"]:
        return
    sent = Counter(name for name, _ in request.query_params.multi_items())
    if sent.total() > MAX_PARAMETERS:
        raise ValidationError(f"There are more than {MAX_PARAMETERS} query parameters.")
    unknown = {name: "is not a parameter here" for name in sent if name not in known}
    twice = {name: "is given more than once" for name, times in sent.items() if times > 1 and not known.get(name)}
    wrong = {**twice, **unknown}
    if wrong:
        raise ValidationError(errors=tuple(FieldError(detail, parameter=name) for name, detail in wrong.items()))


def require_media_type(sent: str | None, *wanted: str) -> None:
    """Raises UnsupportedMediaTypeError when a body of this Content-Type is not what is read here."""
    if sent is None or sent.partition(";")[0].strip().lower() not in wanted:
        raise UnsupportedMediaTypeError(f"The body must be sent as {' or '.join(wanted)}.")


def refuse_content_encoding(request: Request) -> None:
    """Raises UnsupportedMediaTypeError for a body that was compressed or encoded otherwise: nothing is unpacked here.

    The answer names what is taken (RFC 9110 section 15.5.16).
    """
    codings = {coding.strip().lower() for coding in request.headers.get("content-encoding", "").split(",")}
    if codings - {"", "identity"}:
        wrong = "The body must be sent without a Content-Encoding: it is not unpacked here."
        raise UnsupportedMediaTypeError(wrong, headers={"Accept-Encoding": "identity"})


class Argument(Generic[Value_co]):
    """One argument of an endpoint, for Depends."""

    async def __call__(self, request: Request) -> Value_co:
        """The argument of this request. Raises a ServiceError when it cannot be had."""
        raise NotImplementedError

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Tells of itself in the operation of an OpenAPI document, and of its shape among the schemas."""
        raise NotImplementedError


class Query(Argument[Model]):
    """The query parameters as this model; where none is required, made once for when there are none.

    Raises ValidationError with the parameter of each thing that is wrong. `names` tells of each
    parameter whether it may be given more than once: that is, whether its field is a list.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        fields = model.model_fields.items()
        self.names = {field.alias or name: get_origin(field.annotation) is list for name, field in fields}
        self._nothing_sent = None if any(field.is_required() for _, field in fields) else model()

    async def __call__(self, request: Request) -> Model:
        """The query parameters of this request."""
        if self._nothing_sent is not None and not request.scope["query_string"]:
            return self._nothing_sent
        sent = request.query_params
        fields = {name: sent.getlist(name) if self.names[name] else sent[name] for name in sent}
        try:
            return self.model.model_validate(fields)
        except PydanticError as error:
            raise ValidationError(errors=query_errors(error)) from None

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """A parameter for each field."""
        parameters, named = query_parameters(self.model)
        operation.setdefault("parameters", []).extend(parameters)
        schemas.update(named)


class Body(Argument[Model]):
    """The body as this model; an optional one that is not sent is the model's defaults.

    Raises UnsupportedMediaTypeError, or ValidationError with a pointer for each thing that is wrong.
    """

    media_type: ClassVar[str]

    def __init__(self, model: type[Model], *, optional: bool = False) -> None:
        self.model = model
        self.optional = optional

    async def __call__(self, request: Request) -> Model:
        """The body of this request."""
        sent_type, wanted = request.headers.get("content-type"), self.media_types(request.method)
        if not self.optional:
            refuse_content_encoding(request)
            if sent_type is not None:
                require_media_type(sent_type, *wanted)
        body = await request.body()
        if not body and self.optional:
            return self.model()
        if body:
            refuse_content_encoding(request)
            require_media_type(sent_type, *wanted)
        try:
            return self.parse(body)
        except PydanticError as error:
            raise ValidationError(errors=body_errors(error)) from None

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """The body, its model among the schemas."""
        schemas.update(self.schemas())
        content = {self.media_type: {"schema": {"$ref": REF.format(model=self.model.__name__)}}}
        operation["requestBody"] = {"required": not self.optional, "content": content}

    def schemas(self) -> dict[str, Any]:
        """The model's schema and those that it refers to."""
        return body_schemas(self.model)

    def media_types(self, method: str) -> tuple[str, ...]:  # noqa: ARG002 -- the same for all, but for JSON
        """The types of body that a request of this method may have."""
        return (self.media_type,)

    def parse(self, body: bytes) -> Model:
        """The model that these bytes are."""
        raise NotImplementedError


class JsonBody(Body[Model]):
    """A body in JSON."""

    media_type = "application/json"

    def media_types(self, method: str) -> tuple[str, ...]:
        """JSON; a change is a JSON merge patch (RFC 7396), and may be called so."""
        return (self.media_type, MERGE_PATCH) if method == "PATCH" else (self.media_type,)

    def parse(self, body: bytes) -> Model:
        """The model that this JSON is. A name that stands twice in an object is refused (RFC 8259 section 4)."""
        parsed = self.model.model_validate_json(body)
        json.loads(body, object_pairs_hook=_each_name_once)
        return parsed


class FormBody(Body[Model]):
    """A body as an HTML form sends it."""

    media_type = "application/x-www-form-urlencoded"

    def schemas(self) -> dict[str, Any]:
        """The model's schema and those that it refers to; no field of a form can be null."""
        return form_schemas(self.model)

    def parse(self, body: bytes) -> Model:
        """The model that this form is. A field that is given twice is refused (RFC 6749 section 3.2)."""
        try:
            fields = parse_qsl(
                body.decode(),
                keep_blank_values=True,
                max_num_fields=MAX_FORM_FIELDS,
                errors="strict",
            )
        except ValueError:
            raise ValidationError(errors=(FieldError("is not a form in UTF-8", pointer="#"),)) from None
        sent = dict(fields)
        if len(sent) < len(fields):
            raise ValidationError(errors=(FieldError("gives a field twice", pointer="#"),))
        return self.model.model_validate(sent)


def _each_name_once(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) < len(members):
        raise ValidationError(errors=(FieldError("gives a name twice in an object", pointer="#"),))


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
