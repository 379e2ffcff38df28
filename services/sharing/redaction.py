"""Reports as strangers see them: without the ids of tasks, projects and entries. Pure functions.

Each function copies the fields that may be shown, so that a new field of a report is not shown by accident.
"""

from collections.abc import Mapping

from services.reporting.schemas import ReportRow, ReportSlice, SummaryRead, SummaryRow, TimesheetRead
from services.reporting.summary import PAUSE_INTERVAL, PausableWork
from services.sharing.schemas.shared_reports import (
    SharedSlice,
    SharedSummary,
    SharedSummaryRow,
    SharedTimesheet,
    SharedTimesheetRow,
)

_GROUPS_BY_ID = {"task", "project"}
"""Groups whose keys are ids."""


def redact_summary(report: SummaryRead, notes: Mapping[str, str] | None) -> PausableWork[SharedSummary]:
    """Return the summary without ids, with the notes of its slices if `notes` has those of its entries."""
    redaction = _SummaryRedaction(report["group_by"].split(","), notes)
    rows = yield from redaction.rows(report["rows"])
    return {
        "type": "summary",
        "from": report["from"],
        "to": report["to"],
        "timezone": report["timezone"],
        "week_start": report["week_start"],
        "group_by": report["group_by"],
        "rounding": report["rounding"],
        "rounding_scope": report["rounding_scope"],
        "total_seconds": report["total_seconds"],
        "rounded_total_seconds": report["rounded_total_seconds"],
        "running_seconds": report["running_seconds"],
        "overlapping": report["overlapping"],
        "amounts": report["amounts"],
        "rows": rows,
    }


def redact_timesheet(report: TimesheetRead, notes: list[list[list[str]]] | None) -> SharedTimesheet:
    """Return the timesheet without ids, with the `notes` of each row and day if they are given."""
    rows: list[SharedTimesheetRow] = [
        {"title": row["title"], "seconds": row["seconds"], "total": row["total"]} for row in report["rows"]
    ]
    if notes is not None:
        for row, row_notes in zip(rows, notes, strict=True):
            row["notes"] = row_notes
    return {
        "type": "timesheet",
        "timezone": report["timezone"],
        "week_start": report["week_start"],
        "days": report["days"],
        "rows": rows,
        "day_totals": report["day_totals"],
        "total": report["total"],
    }


class _SummaryRedaction:
    """Redacts the rows of one summary. It numbers tasks and projects in the order in which they appear."""

    def __init__(self, groups: list[str], notes: Mapping[str, str] | None) -> None:
        self._groups = groups
        self._notes = notes
        self._numbers: dict[tuple[str, str], str] = {}
        self._work = 0

    def rows(self, rows: list[SummaryRow]) -> PausableWork[list[SharedSummaryRow]]:
        """Return the rows without ids."""
        redacted: list[SharedSummaryRow] = []
        for row in rows:
            outer = yield from self._row(row, self._groups[0])
            if "rows" in row:
                outer["rows"] = []
                for inner in row["rows"]:
                    outer["rows"].append((yield from self._row(inner, self._groups[1])))
            redacted.append(outer)
        return redacted

    def _row(self, row: ReportRow, group: str) -> PausableWork[SharedSummaryRow]:
        key, label = row["key"], row["label"]
        if key is not None and group in _GROUPS_BY_ID:
            label = "" if label == key else label  # a project without a name has its id as its label
            key = self._numbers.setdefault((group, key), str(len(self._numbers) + 1))
        redacted: SharedSummaryRow = {
            "key": key,
            "label": label,
            "seconds": row["seconds"],
            "rounded_seconds": row["rounded_seconds"],
            "entry_count": row["entry_count"],
            "amounts": row["amounts"],
        }
        if self._is_time_to_pause():
            yield
        if "slices" in row:
            redacted["slices"] = []
            for part in row["slices"]:
                redacted["slices"].append(self._slice(part))
                if self._is_time_to_pause():
                    yield
        return redacted

    def _slice(self, part: ReportSlice) -> SharedSlice:
        redacted: SharedSlice = {"from": part["from"], "to": part["to"], "seconds": part["seconds"]}
        if self._notes is not None:
            redacted["note"] = self._notes[part["entry_id"]] or None
        return redacted

    def _is_time_to_pause(self) -> bool:
        self._work += 1
        return self._work % PAUSE_INTERVAL == 0
