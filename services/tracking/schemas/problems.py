"""The response model of an error. app/http/problems.py builds the responses."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from services.tracking.schemas.overlaps import OverlapRead
from services.tracking.schemas.timer import TimerRead

_EXAMPLE: JsonDict = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "The request is not valid: see errors.",
    "instance": "/api/v1/tasks",
    "code": "invalid_request",
    "request_id": "5f0c7c1e9f0b4a1c8a53d7f4a86f0c11",
    "errors": [{"pointer": "#/title", "detail": "is missing"}],
}


class FieldProblem(TypedDict):
    """An error in one part of the request, named by one of pointer, parameter and header."""

    detail: str
    pointer: NotRequired[Annotated[str, Field(description="A JSON pointer into the body.", examples=["#/tags/0"])]]
    parameter: NotRequired[Annotated[str, Field(description="The name of a query parameter.")]]
    header: NotRequired[Annotated[str, Field(description="The name of a header.")]]


@with_config(ConfigDict(json_schema_extra={"examples": [_EXAMPLE]}))
class Problem(TypedDict):
    """An error (RFC 9457 problem details). `code` identifies its kind and is stable."""

    type: Literal["about:blank"]
    title: Annotated[str, Field(description="The phrase of the HTTP status.")]
    status: int
    detail: Annotated[str, Field(description="Human-readable explanation.")]
    instance: Annotated[str, Field(description="The path of the request.")]
    code: Annotated[str, Field(description="Machine-readable and stable.", examples=["task_not_found"])]
    request_id: Annotated[str, Field(description="The same as in the X-Request-ID header and in the log.")]
    errors: NotRequired[Annotated[list[FieldProblem], Field(description="The invalid parts of the request.")]]
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="Conflicting entries, of `overlap`.")]]
    running: NotRequired[Annotated[TimerRead, Field(description="The running timer, of `timer_already_running`.")]]
    failed_index: NotRequired[Annotated[int, Field(description="Index of the failed bulk operation.")]]
