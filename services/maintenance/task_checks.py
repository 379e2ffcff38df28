"""Checks of the tasks of one user, with the pages that they list."""

from typing import Any

from documents.common.base import Row
from documents.maintenance.inspection import iterate_rows
from documents.tracking.tasks import Task
from services.common.concurrency import retry_transaction
from services.maintenance.findings import CheckResult, inconsistencies_of
from services.maintenance.page_checks import check_listed_pages
from services.maintenance.references import References
from services.tracking.rules.invariants import check_task, hot_and_running_entries, listed_page_ids


async def check_tasks(user_id: Any) -> CheckResult:
    """Check the tasks of a user and the pages that they list.

    Checks within one document need a single read. Checks across documents need several reads, between which the
    data may change. If such a check fails, all is read again in one transaction, from one snapshot.
    """
    result = await _read_and_check(user_id)
    if result.needs_snapshot:
        return await retry_transaction(user_id, lambda: _read_and_check(user_id))
    return result


async def _read_and_check(user_id: Any) -> CheckResult:
    result = CheckResult()
    references = await References.of(user_id)
    async for task in iterate_rows(Task, {"user_id": user_id}):
        await _check_task(task, references, result)
    return result


async def _check_task(task: Row, references: References, result: CheckResult) -> None:
    result.tasks += 1
    result.entries += len(hot_and_running_entries(task))
    reference_errors = list(references.check_task(task))
    findings = check_task(task, await check_listed_pages(task, references, result))
    result.errors += [*inconsistencies_of("tasks", task, findings), *reference_errors]
    has_stale_totals = bool(findings.counters and listed_page_ids(task))
    result.needs_snapshot = result.needs_snapshot or bool(reference_errors) or has_stale_totals
