"""The request and response models of bulk operations on tasks."""

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator, with_config
from typing_extensions import TypeAliasType, TypedDict

from services.common.values.fields import RequestModel
from services.tracking.schemas.problems import Problem
from services.tracking.schemas.tasks import TASK_EXAMPLE, TaskRead

MAX_OPERATIONS = 100

BulkOperationKind = TypeAliasType("BulkOperationKind", Literal["create", "update", "delete"])

_NEEDS = {"create": {"body"}, "update": {"task_id", "body"}, "delete": {"task_id"}}


class BulkOperation(RequestModel):
    """One operation on one task. `body` is that of POST /tasks or PATCH /tasks/{task_id}."""

    op: BulkOperationKind
    task_id: str | None = Field(default=None, description="Required for update and delete.")
    body: dict[str, Any] | None = Field(default=None, description="Required for create and update.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        sent = {name for name in ("task_id", "body") if getattr(self, name) is not None}
        if sent != _NEEDS[self.op]:
            raise ValueError(f"{self.op} takes {' and '.join(sorted(_NEEDS[self.op]))}, no more and no less")
        return self


class BulkRequest(RequestModel):
    """Operations on tasks, executed in order."""

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

    operations: Annotated[list[BulkOperation], Field(min_length=1, max_length=MAX_OPERATIONS)]
    atomic: bool = Field(default=False, description="Whether to execute all operations or none.")


@with_config(ConfigDict(extra="forbid"))
class BulkOperationResult(TypedDict):
    """The outcome of one operation: the status of a single request, with the task or the problem."""

    status: int
    body: NotRequired[Annotated[TaskRead | None, Field(description="null after a delete.")]]
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
    """The results, in the order of the operations."""

    results: list[BulkOperationResult]
