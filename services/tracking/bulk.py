"""Many changes of tasks at once: each for itself, or all or none."""

from dataclasses import replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from app.errors import ServiceError, ValidationError, problem_members
from app.validation_errors import body_errors
from documents.accounts.users import OverlapPolicy
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import Versioned
from services.tracking.rules.overlap import effective_policy
from services.tracking.rules.transaction_sizes import require_transaction_size
from services.tracking.schemas.bulk import BulkOperation, BulkOperationResult, BulkRequest
from services.tracking.schemas.problems import Problem
from services.tracking.schemas.tasks import TaskCreate, TaskUpdate
from services.tracking.tasks import TaskNotFoundError, task_service

Model = TypeVar("Model", bound=BaseModel)


class BulkService:
    """Bulk changes of the acting user's tasks."""

    async def run(
        self, user: ActingUser, *, bulk: BulkRequest, overlap: OverlapPolicy | None, request_key: RequestKey | None
    ) -> Versioned:
        """A result for each operation, in their order.

        Atomic, they are one transaction: the first that fails undoes all, and its error is raised
        with `failed_index`. Raises BulkTooLargeError when the tasks are too large for that.
        """
        acting = replace(user, overlap_policy=effective_policy(user, overlap))

        async def do(work: Attempt) -> Versioned:
            if bulk.atomic:
                await require_transaction_size(user.id, (operation.task_id or "" for operation in bulk.operations))
                return await retry_transaction(lambda: self._all_or_none(acting, bulk, work))
            return _answer(await self._each_for_itself(acting, bulk, work))

        return await run_once(user, request_key, do)

    async def _each_for_itself(self, user: ActingUser, bulk: BulkRequest, work: Attempt) -> list[BulkOperationResult]:
        results: list[BulkOperationResult] = [*work.completed_parts]
        for index in range(len(results), len(bulk.operations)):
            results.append(await self._alone(user, bulk, index, work))
            await work.save_part(results[-1])
        return results

    async def _all_or_none(self, user: ActingUser, bulk: BulkRequest, work: Attempt) -> Versioned:
        results = []
        for index, operation in enumerate(bulk.operations):
            try:
                results.append(await self._done(user, operation, index, work))
            except ServiceError as error:
                raise _placed(error, index, failed_index=index) from error
        answer = _answer(results)
        await work.save_response(answer)
        return answer

    async def _alone(self, user: ActingUser, bulk: BulkRequest, index: int, work: Attempt) -> BulkOperationResult:
        try:
            return await self._done(user, bulk.operations[index], index, work)
        except ServiceError as error:
            # What it says of the request is added where the request is known.
            return {"status": error.status, "problem": cast("Problem", problem_members(_placed(error, index)))}

    async def _done(self, user: ActingUser, operation: BulkOperation, index: int, work: Attempt) -> BulkOperationResult:
        if operation.op == "create":
            new = _parsed(TaskCreate, operation.body)
            made = await task_service.create_with_id(user, new, task_id=work.new_id(index), retried=work.is_retry)
            return {"status": 201, "body": made.body}
        task_id = operation.task_id or ""
        if operation.op == "update":
            change = _parsed(TaskUpdate, operation.body)
            changed = await task_service.update(user, task_id=task_id, change=change, if_match=None)
            return {"status": 200, "body": changed.body}
        await self._trash(user, task_id, retried=work.is_retry)
        return {"status": 204, "body": None}

    async def _trash(self, user: ActingUser, task_id: str, *, retried: bool) -> None:
        try:
            await task_service.trash(user, task_id=task_id, if_match=None)
        except TaskNotFoundError:
            # The try before this one may have come to an end right after this.
            if not (retried and await task_service.is_in_trash(user, task_id=task_id)):
                raise


def _answer(results: list[BulkOperationResult]) -> Versioned:
    return Versioned({"results": results}, None)


def _parsed(model: type[Model], body: dict[str, Any] | None) -> Model:
    """The body of an operation. Raises ValidationError."""
    try:
        return model.model_validate(body)
    except PydanticError as error:
        raise ValidationError(errors=body_errors(error)) from None


def _placed(error: ServiceError, index: int, **extra: Any) -> ServiceError:
    """The error of an operation, pointing into the body of the whole request."""
    body = f"#/operations/{index}/body"
    error.errors = tuple(
        replace(wrong, pointer=body + wrong.pointer.removeprefix("#")) if wrong.pointer else wrong
        for wrong in error.errors
    )
    error.extra |= extra
    return error


bulk_service = BulkService()
