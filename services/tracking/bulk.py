"""Bulk operations on tasks, each on its own or all in one transaction."""

from dataclasses import replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from app.errors import ServiceError, ValidationError, problem_members
from app.validation_errors import body_errors
from documents.accounts.users import OverlapPolicy, User
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
    """Bulk operations on the tasks of the acting user."""

    async def run(
        self, user: ActingUser, *, bulk: BulkRequest, overlap: OverlapPolicy | None, request_key: RequestKey | None
    ) -> Versioned:
        """Run the operations in order and return the result of each.

        An atomic bulk is one transaction. The first operation that fails undoes all, and its error is
        raised with `failed_index`. Raises BulkTooLargeError when the tasks are too large for one transaction.
        """
        acting_user = replace(user, overlap_policy=effective_policy(user, overlap))

        async def run_attempt(attempt: Attempt) -> Versioned:
            if bulk.atomic:
                await require_transaction_size(user.id, (operation.task_id or "" for operation in bulk.operations))
                # Two bulks of one user, in two processes, would otherwise undo each other again and again.
                return await retry_transaction(
                    user.id, lambda: self._run_atomic(acting_user, bulk, attempt), lock=lambda: User.lock(user.id)
                )
            return _response(await self._run_separately(acting_user, bulk, attempt))

        return await run_once(user, request_key, run_attempt)

    async def _run_separately(self, user: ActingUser, bulk: BulkRequest, attempt: Attempt) -> list[BulkOperationResult]:
        """Run each operation on its own. A retry continues after the operations that an earlier attempt saved."""
        results: list[BulkOperationResult] = [*attempt.completed_parts]
        for index in range(len(results), len(bulk.operations)):
            results.append(await self._run_or_report(user, bulk, index, attempt))
            await attempt.save_part(results[-1])
        return results

    async def _run_atomic(self, user: ActingUser, bulk: BulkRequest, attempt: Attempt) -> Versioned:
        results = []
        for index, operation in enumerate(bulk.operations):
            try:
                results.append(await self._run_operation(user, operation, index, attempt))
            except ServiceError as error:
                raise _with_operation_pointers(error, index, failed_index=index) from error
        response = _response(results)
        await attempt.save_response(response)
        return response

    async def _run_or_report(
        self, user: ActingUser, bulk: BulkRequest, index: int, attempt: Attempt
    ) -> BulkOperationResult:
        try:
            return await self._run_operation(user, bulk.operations[index], index, attempt)
        except ServiceError as error:
            # The route adds the members that depend on the request.
            problem = problem_members(_with_operation_pointers(error, index))
            return {"status": error.status, "problem": cast("Problem", problem)}

    async def _run_operation(
        self, user: ActingUser, operation: BulkOperation, index: int, attempt: Attempt
    ) -> BulkOperationResult:
        if operation.op == "create":
            new = _parse_body(TaskCreate, operation.body)
            task_id = attempt.new_id(index)
            created = await task_service.create_with_id(user, new, task_id=task_id, is_retry=attempt.is_retry)
            return {"status": 201, "body": created.body}
        id_text = operation.task_id or ""
        if operation.op == "update":
            change = _parse_body(TaskUpdate, operation.body)
            updated = await task_service.update(user, task_id=id_text, change=change, if_match=None)
            return {"status": 200, "body": updated.body}
        await self._trash(user, id_text, is_retry=attempt.is_retry)
        return {"status": 204, "body": None}

    async def _trash(self, user: ActingUser, task_id: str, *, is_retry: bool) -> None:
        try:
            await task_service.trash(user, task_id=task_id, if_match=None)
        except TaskNotFoundError:
            # The earlier attempt may have trashed the task without saving the result.
            if not (is_retry and await task_service.is_in_trash(user, task_id=task_id)):
                raise


def _response(results: list[BulkOperationResult]) -> Versioned:
    return Versioned({"results": results}, None)


def _parse_body(model: type[Model], body: dict[str, Any] | None) -> Model:
    """Validate the body of an operation. Raises ValidationError."""
    try:
        return model.model_validate(body)
    except PydanticError as error:
        raise ValidationError(errors=body_errors(error)) from None


def _with_operation_pointers(error: ServiceError, index: int, **extra: Any) -> ServiceError:
    """Rewrite the pointers of an operation's error so that they point into the body of the bulk request."""
    body = f"#/operations/{index}/body"
    error.errors = tuple(
        replace(field, pointer=body + field.pointer.removeprefix("#")) if field.pointer else field
        for field in error.errors
    )
    error.extra |= extra
    return error


bulk_service = BulkService()
