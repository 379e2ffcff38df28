"""Many changes of tasks in one request."""

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator, with_config
from typing_extensions import TypeAliasType, TypedDict

from services.schemas.fields import Input
from services.schemas.problems import Problem
from services.schemas.tasks import TASK_EXAMPLE, TaskRead

MOST_OPERATIONS = 100

BulkOperationKind = TypeAliasType("BulkOperationKind", Literal["create", "update", "delete"])

_NEEDS = {"create": {"body"}, "update": {"task_id", "body"}, "delete": {"task_id"}}


class BulkOperation(Input):
    """One change of one task. `body` is what POST /tasks or PATCH /tasks/{task_id} would take."""

    op: BulkOperationKind
    task_id: str | None = Field(default=None, description="For update and delete.")
    body: dict[str, Any] | None = Field(default=None, description="For create and update.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        sent = {name for name in ("task_id", "body") if getattr(self, name) is not None}
        if sent != _NEEDS[self.op]:
            raise ValueError(f"{self.op} takes {' and '.join(sorted(_NEEDS[self.op]))}, no more and no less")
        return self


class BulkRequest(Input):
    """Changes of tasks, done in this order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operations": [
                        {"op": "create", "body": {"title": "Write the offer"}},
                        {"op": "delete", "task_id": "6920a3f1c2d4e5f607182930"},
                    ],
                    "atomic": True,
                }
            ]
        }
    )

    operations: Annotated[list[BulkOperation], Field(min_length=1, max_length=MOST_OPERATIONS)]
    atomic: bool = Field(default=False, description="Whether all are done or none; else each for itself.")


@with_config(ConfigDict(extra="forbid"))
class BulkOperationResult(TypedDict):
    """What became of one operation: the status that it would have had alone, with the task or the problem."""

    status: int
    body: NotRequired[Annotated[TaskRead | None, Field(description="null for a delete.")]]
    problem: NotRequired[Problem]


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"results": [{"status": 201, "body": TASK_EXAMPLE}, {"status": 204, "body": None}]}]
        },
    )
)
class BulkResponse(TypedDict):
    """A result for each operation, in their order."""

    results: list[BulkOperationResult]
