"""A problem as an answer shows it. app/problems.py makes them."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from services.schemas.overlaps import OverlapRead
from services.schemas.timer import TimerRead

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
    """What is wrong with one part of a request: one of pointer, parameter and header says which."""

    detail: str
    pointer: NotRequired[Annotated[str, Field(description="A JSON pointer into the body.", examples=["#/tags/0"])]]
    parameter: NotRequired[Annotated[str, Field(description="The name of a query parameter.")]]
    header: NotRequired[Annotated[str, Field(description="The name of a header.")]]


@with_config(ConfigDict(json_schema_extra={"examples": [_EXAMPLE]}))
class Problem(TypedDict):
    """What went wrong (RFC 9457). `code` is stable: it tells problems apart."""

    type: Literal["about:blank"]
    title: Annotated[str, Field(description="The phrase of the status.")]
    status: int
    detail: Annotated[str, Field(description="A sentence for a person.")]
    instance: Annotated[str, Field(description="The path of the request.")]
    code: Annotated[str, Field(description="Stable, in snake_case.", examples=["task_not_found"])]
    request_id: Annotated[str, Field(description="Also in the header X-Request-ID, and in the log.")]
    errors: NotRequired[Annotated[list[FieldProblem], Field(description="Where a request is wrong.")]]
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries in conflict, of an overlap.")]]
    running: NotRequired[Annotated[TimerRead, Field(description="The timer that is running already.")]]
    failed_index: NotRequired[Annotated[int, Field(description="The operation that failed, of a bulk of all or none.")]]
