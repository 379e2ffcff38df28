"""The route class of the service, and the request arguments that a route can take.

A route is an async function. Each of its parameters is a path parameter, the `Request`, or a type with a dependency:
`Query[Model]`, `JsonBody[Model]`, `FormBody[Model]`, or an alias from `routes/dependencies.py`. An example::

    class TaskRename(RequestModel):
        title: Title

    router = APIRouter(route_class=Endpoint, prefix="/tasks", tags=["tasks"])

    @router.post("/{task_id}/rename", operation_id="rename_task", summary="Rename a task", response_model=TaskRead,
                 responses=problem_responses(TaskNotFoundError, StaleVersionError))
    async def rename_task(user: Writer, task_id: str, body: JsonBody[TaskRename], if_match: IfMatch) -> Response:
        "The title is one line of text."
        change = TaskUpdate(title=body.title)
        return versioned_response(await task_service.update(user, task_id=task_id, change=change, if_match=if_match))

The token is checked first, then the names of the query parameters, then the other arguments in the order of the
signature. Why the service does not use FastAPI's own `Query` and `Body`: docs/decisions/0005-own-endpoint-class.rst.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.params import Depends
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import is_typeddict

from app.errors import FieldError, UnsupportedMediaTypeError, ValidationError
from app.http.json_schema import REF, body_schemas, form_schemas, query_parameters
from app.validation_errors import body_errors, query_errors

MAX_FORM_FIELDS = 20
MAX_QUERY_PARAMETERS = 100
MERGE_PATCH = "application/merge-patch+json"

Operation = dict[str, Any]
"""An operation object of the OpenAPI document."""

Dependency = Callable[[Request], Awaitable[Any]]
Value_co = TypeVar("Value_co", covariant=True)
Model = TypeVar("Model", bound=BaseModel)


class Endpoint(APIRoute):
    """A route that calls each dependency of its function with the request, and nothing else.

    FastAPI reads the same signature for the OpenAPI document. A parameter without a dependency that is neither a path
    parameter nor the request is a TypeError when the route is created.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        responses: Mapping[Any, Mapping[str, Any]] = options.get("responses") or {}
        for model in (options.get("response_model"), *(response.get("model") for response in responses.values())):
            _build_when_needed(model)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that handles a request to this route."""
        parameters = signature(self.endpoint).parameters
        dependencies: dict[str, Any] = {name: self._dependency(parameter) for name, parameter in parameters.items()}
        security: dict[str, Any] = {name: find for name, find in dependencies.items() if isinstance(find, SecurityBase)}
        others = {name: find for name, find in dependencies.items() if name not in security}
        queries = [find for find in others.values() if isinstance(find, QueryArgument)]
        is_list = {name: repeats for query in queries for name, repeats in query.is_list.items()}
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            arguments = {name: await authenticate(request) for name, authenticate in security.items()}
            refuse_unknown_parameters(request, is_list)
            for name, find in others.items():
                arguments[name] = await find(request)
            return await endpoint(**arguments)

        return handle

    def _dependency(self, parameter: Parameter) -> Dependency:
        if parameter.name in self.param_convertors:
            return _path_parameter(parameter.name)
        if parameter.annotation is Request:
            return _request
        metadata = get_args(parameter.annotation)[1:] if get_origin(parameter.annotation) is Annotated else ()
        for item in metadata:
            if isinstance(item, Depends) and item.dependency is not None:
                dependency: Dependency = item.dependency
                return dependency
        raise TypeError(
            f"{self.endpoint.__name__}: {parameter.name} is neither a path parameter, nor the request, nor a dependency"
        )


def _build_when_needed(response_model: Any) -> None:
    """Let pydantic build the schema of a response for the OpenAPI document only: no response is validated."""
    if is_typeddict(response_model):
        config = getattr(response_model, "__pydantic_config__", {})
        response_model.__pydantic_config__ = {**config, "defer_build": True}


def _path_parameter(name: str) -> Dependency:
    async def path_parameter(request: Request) -> str:
        return str(request.path_params[name])

    return path_parameter


async def _request(request: Request) -> Request:
    return request


class Argument(Generic[Value_co]):
    """An argument of a route, for `Depends`, that describes itself in the OpenAPI document."""

    async def __call__(self, request: Request) -> Value_co:
        """Return the argument. Raises a ServiceError if the request has no valid one."""
        raise NotImplementedError

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Add the argument to the operation, and its schemas to the components of the document."""
        raise NotImplementedError


class QueryArgument(Argument[Model]):
    """The query parameters as this model.

    Raises ValidationError with the name of each parameter that is wrong. `is_list` says of each parameter whether its
    field is a list, so that it may be repeated.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        fields = model.model_fields.items()
        self.is_list = {field.alias or name: get_origin(field.annotation) is list for name, field in fields}
        self._defaults = None if any(field.is_required() for _, field in fields) else model()

    async def __call__(self, request: Request) -> Model:
        """Return the query parameters of this request."""
        if self._defaults is not None and not request.scope["query_string"]:
            return self._defaults
        query = request.query_params
        fields = {name: query.getlist(name) if self.is_list[name] else query[name] for name in query}
        try:
            return self.model.model_validate(fields)
        except PydanticError as error:
            raise ValidationError(errors=query_errors(error)) from None

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Add a parameter for each field."""
        parameters, parameter_schemas = query_parameters(self.model)
        operation.setdefault("parameters", []).extend(parameters)
        schemas.update(parameter_schemas)


class BodyArgument(Argument[Model]):
    """The body as this model. If it is optional, an empty body gives the defaults of the model.

    Raises UnsupportedMediaTypeError, or ValidationError with a pointer to each thing that is wrong.
    """

    media_type: ClassVar[str]

    def __init__(self, model: type[Model], *, optional: bool = False) -> None:
        self.model = model
        self.optional = optional

    async def __call__(self, request: Request) -> Model:
        """Return the body of this request."""
        content_type, accepted = request.headers.get("content-type"), self.media_types(request.method)
        if not self.optional:
            refuse_content_encoding(request)
            if content_type is not None:
                require_media_type(content_type, *accepted)
        body = await request.body()
        if not body and self.optional:
            return self.model()
        if body:
            refuse_content_encoding(request)
            require_media_type(content_type, *accepted)
        try:
            return self.parse(body)
        except PydanticError as error:
            raise ValidationError(errors=body_errors(error)) from None

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Add the request body, and its model to the schemas."""
        schemas.update(self.schemas())
        content = {self.media_type: {"schema": {"$ref": REF.format(model=self.model.__name__)}}}
        operation["requestBody"] = {"required": not self.optional, "content": content}

    def schemas(self) -> dict[str, Any]:
        """Return the schema of the model and those that it refers to, by name."""
        return body_schemas(self.model)

    def media_types(self, method: str) -> tuple[str, ...]:  # noqa: ARG002 -- only JSON depends on it
        """Return the media types that a request with this method may have."""
        return (self.media_type,)

    def parse(self, body: bytes) -> Model:
        """Parse and validate the body."""
        raise NotImplementedError


class JsonArgument(BodyArgument[Model]):
    """A JSON body."""

    media_type = "application/json"

    def media_types(self, method: str) -> tuple[str, ...]:
        """Return JSON, and for PATCH also JSON merge patch (RFC 7396)."""
        return (self.media_type, MERGE_PATCH) if method == "PATCH" else (self.media_type,)

    def parse(self, body: bytes) -> Model:
        """Parse and validate JSON. An object with a duplicate name is refused (RFC 8259 section 4)."""
        model = self.model.model_validate_json(body)
        _DUPLICATE_NAMES.decode(body.decode())
        return model


class FormArgument(BodyArgument[Model]):
    """The body of an HTML form."""

    media_type = "application/x-www-form-urlencoded"

    def schemas(self) -> dict[str, Any]:
        """Return the schema of the model and those that it refers to, by name. Form fields are not nullable."""
        return form_schemas(self.model)

    def parse(self, body: bytes) -> Model:
        """Parse and validate a form. A duplicate field is refused (RFC 6749 section 3.2)."""
        try:
            pairs = parse_qsl(
                body.decode(),
                keep_blank_values=True,
                max_num_fields=MAX_FORM_FIELDS,
                errors="strict",
            )
        except ValueError:
            raise ValidationError(errors=(FieldError("is not a form in UTF-8", pointer="#"),)) from None
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValidationError(errors=(FieldError("contains a duplicate field", pointer="#"),))
        return self.model.model_validate(fields)


def refuse_unknown_parameters(request: Request, is_list: Mapping[str, bool]) -> None:
    """Raise ValidationError for a query parameter that the route does not have, or that is wrongly repeated.

    `is_list` says of each parameter of the route whether it may be repeated.
    """
    if not request.scope["query_string"]:
        return
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if counts.total() > MAX_QUERY_PARAMETERS:
        raise ValidationError(f"There are more than {MAX_QUERY_PARAMETERS} query parameters.")
    repeated = [name for name, count in counts.items() if count > 1 and not is_list.get(name)]
    unknown = [name for name in counts if name not in is_list]
    details = {
        **dict.fromkeys(repeated, "is given more than once"),
        **dict.fromkeys(unknown, "is not a query parameter of this operation"),
    }
    if details:
        raise ValidationError(errors=tuple(FieldError(detail, parameter=name) for name, detail in details.items()))


def require_media_type(content_type: str | None, *accepted: str) -> None:
    """Raise UnsupportedMediaTypeError if the Content-Type is not one of the accepted media types."""
    if content_type is None or content_type.partition(";")[0].strip().lower() not in accepted:
        raise UnsupportedMediaTypeError(f"The body must be sent as {' or '.join(accepted)}.")


def refuse_content_encoding(request: Request) -> None:
    """Raise UnsupportedMediaTypeError if the body has a Content-Encoding: the service does not decompress bodies.

    Accept-Encoding in the response names the encoding that is accepted (RFC 9110 section 15.5.16).
    """
    sent = request.headers.get("content-encoding")
    if sent is not None and {coding.strip().lower() for coding in sent.split(",")} - {"", "identity"}:
        detail = "The body must not have a Content-Encoding: it is not decompressed."
        raise UnsupportedMediaTypeError(detail, headers={"Accept-Encoding": "identity"})


def _refuse_duplicate_names(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) < len(members):
        raise ValidationError(errors=(FieldError("contains an object with a duplicate name", pointer="#"),))


_DUPLICATE_NAMES = json.JSONDecoder(object_pairs_hook=_refuse_duplicate_names)


class _Annotation:
    """`annotation[Model]` is `Annotated[Model, Depends(argument(Model))]`."""

    def __init__(self, argument: Callable[[type[Any]], Argument[Any]]) -> None:
        self._argument = argument

    def __getitem__(self, model: type[BaseModel]) -> Any:
        return Annotated[model, Depends(self._argument(model))]


if TYPE_CHECKING:
    Query = Annotated[Model, QueryArgument]
    JsonBody = Annotated[Model, JsonArgument]
    OptionalJsonBody = Annotated[Model, JsonArgument]
    FormBody = Annotated[Model, FormArgument]
else:
    Query = _Annotation(QueryArgument)
    JsonBody = _Annotation(JsonArgument)
    OptionalJsonBody = _Annotation(partial(JsonArgument, optional=True))
    FormBody = _Annotation(FormArgument)
