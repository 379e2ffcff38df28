"""Shares: reports that a user shows to people without an account."""

import orjson
from pydantic import ValidationError as PydanticError

from app.clock import utc_now
from app.errors import ConflictError, FieldError, NotFoundError, ValidationError
from app.json_bytes import to_json
from app.security.bearer_secrets import sha256_of, to_path_secret
from documents.common.base import Row, require_object_id
from documents.sharing.shares import Share
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser, acting_user
from services.common.idempotency import Attempt, RequestKey, run_once_with_secret
from services.common.maximums import add_up_to
from services.common.pagination import newest_first_page
from services.common.values.fields import PageQuery
from services.common.values.versions import Versioned
from services.reporting.reader import run_with_pauses
from services.reporting.reports import report_service
from services.sharing.redaction import redact_summary, redact_timesheet
from services.sharing.report_cache import ReportCache
from services.sharing.schemas.shared_reports import SharedSummary, SharedTimesheet
from services.sharing.schemas.shares import (
    ShareCreate,
    ShareCreated,
    SharedQuery,
    SharedSummaryQuery,
    SharePage,
    ShareRead,
    query_of,
    read_share,
    stored_report,
)
from services.sharing.secrets import find_public

MAX_SHARES = 50
"""How many shares a user may have."""


class ShareNotFoundError(NotFoundError):
    """The share does not exist, was revoked, has expired, or belongs to another user."""

    code = "share_not_found"
    detail = "The share does not exist."


class TooManySharesError(ConflictError):
    """The user has as many shares as are allowed."""

    code = "too_many_shares"
    detail = f"There are {MAX_SHARES} shares already: revoke one first."


class SharedReportUnavailableError(ConflictError):
    """The report of the share was valid when it was shared. Since then it has become too large, or its range empty."""

    code = "shared_report_unavailable"
    detail = "This report cannot be computed any more. Ask its owner to share another one."


class ShareService:
    """The shares of the acting user, and their reports for anybody who has a secret."""

    def __init__(self) -> None:
        self._cache = ReportCache()

    async def create(
        self, user: ActingUser, *, new: ShareCreate, api_url: str, request_key: RequestKey | None
    ) -> Versioned:
        """Share a report. Return the share with its address, which begins with `api_url` and cannot be read again.

        The report is computed once, so that it is refused here if it is invalid or too large.
        Raises ValidationError or TooManySharesError.
        """

        async def run_attempt(attempt: Attempt) -> Versioned:
            await _require_valid(user, new)
            share = Share.new(
                user.id,
                attempt.new_id(),
                name=new.name,
                report=stored_report(new.report),
                include_notes=new.include_notes,
                secret_hash=sha256_of(to_path_secret(attempt.secret)),
                expires_at=new.expires_at,
            )
            row = await add_up_to(MAX_SHARES, share, user.id, error=TooManySharesError)
            await audit_service.record(user.id, "share_created", id=str(row["_id"]), name=new.name)
            return Versioned(read_share(row), None, created=True)

        def add_secret(share: ShareRead, secret: bytes) -> ShareCreated:
            return {**share, "url": f"{api_url}/shared/{to_path_secret(secret)}"}

        return await run_once_with_secret(user, request_key, run_attempt, add_secret=add_secret)

    async def list_shares(self, user: ActingUser, *, query: PageQuery) -> SharePage:
        """Return a page of the user's shares, newest first. Raises InvalidCursorError."""
        shares, next_cursor = await newest_first_page(Share, user.id, query, list_name="shares")
        return {"items": [read_share(share) for share in shares], "next_cursor": next_cursor}

    async def revoke(self, user: ActingUser, *, share_id: str) -> None:
        """Delete the share, so that its report cannot be read any more. Raises ShareNotFoundError."""
        parsed_id = require_object_id(share_id, ShareNotFoundError)
        if not await Share.delete_by_id(user.id, parsed_id):
            raise ShareNotFoundError
        await audit_service.record(user.id, "share_revoked", id=share_id)

    async def read(self, *, secret: str) -> bytes:
        """Return the shared report as JSON, a SharedReport. It may be a little older: see ReportCache.

        Raises ShareNotFoundError, or SharedReportUnavailableError.
        """
        found = await find_public(Share, secret)
        if found is None:
            raise ShareNotFoundError
        share, owner = found
        user = acting_user(owner)
        key = (share["_id"], user.timezone, user.week_start)
        report = await self._cache.get(user.id, key, lambda: _try_to_compute(user, share))
        if report is None:
            raise SharedReportUnavailableError
        return to_json({"name": share["name"], "owner_name": owner["full_name"], "report": orjson.Fragment(report)})


async def _require_valid(user: ActingUser, new: ShareCreate) -> None:
    """Raise ValidationError, with pointers into the body, if it has expired or the report cannot be computed."""
    if new.expires_at is not None and new.expires_at <= utc_now():
        raise ValidationError(errors=(FieldError("is not in the future", pointer="#/expires_at"),))
    try:
        await _compute(user, new.report, include_notes=new.include_notes)
    except ValidationError as error:
        errors = tuple(FieldError(field.detail, pointer=_pointer(new, field.parameter)) for field in error.errors)
        raise ValidationError(errors=errors) from None


def _pointer(new: ShareCreate, parameter: str | None) -> str:
    """Return the location of a parameter in the body. Without `explain`, the notes are the reason for slices."""
    if parameter == "explain" and "explain" not in new.report.model_fields_set:
        return "#/include_notes"
    if parameter == "group_by" and new.report.type == "timesheet":  # it has too many rows, and no such parameter
        return "#/report"
    return f"#/report/{parameter}"


async def _try_to_compute(user: ActingUser, share: Row) -> bytes | None:
    try:
        return to_json(await _compute(user, query_of(share["report"]), include_notes=share["include_notes"]))
    except (ValidationError, PydanticError):
        return None


async def _compute(user: ActingUser, query: SharedQuery, *, include_notes: bool) -> SharedSummary | SharedTimesheet:
    """Return the report as strangers see it. Raises ValidationError."""
    if isinstance(query, SharedSummaryQuery):
        query = query.model_copy(update={"explain": query.explain or include_notes})
        summary, notes = await report_service.summary_with_notes(user, query=query, include_notes=include_notes)
        return await run_with_pauses(redact_summary(summary, notes if include_notes else None))
    timesheet, row_notes = await report_service.timesheet_with_notes(user, query=query, include_notes=include_notes)
    return redact_timesheet(timesheet, row_notes if include_notes else None)


share_service = ShareService()
