"""The redaction of reports: which fields of a report a shared one has."""

from typing import Any, get_type_hints

import pytest
from bson import ObjectId

from services.reporting.schemas import (
    ReportRow,
    ReportSlice,
    SummaryRead,
    SummaryRow,
    TimesheetRead,
    TimesheetRow,
)
from services.reporting.summary import PAUSE_INTERVAL, run_without_pauses
from services.sharing.redaction import redact_summary
from services.sharing.schemas.shared_reports import (
    SharedRow,
    SharedSlice,
    SharedSummary,
    SharedSummaryRow,
    SharedTimesheet,
    SharedTimesheetRow,
)
from tests.support.http import Json


def row(key: str | None, label: str, **fields: Any) -> SummaryRow:
    totals = {"seconds": 60, "rounded_seconds": 60, "entry_count": 1, "amounts": []}
    return {"key": key, "label": label, **totals, **fields}  # type: ignore[typeddict-item]


def summary(group_by: str, *rows: SummaryRow) -> SummaryRead:
    report: Json = dict.fromkeys(get_type_hints(SummaryRead), 0) | {"group_by": group_by, "rows": [*rows]}
    return report  # type: ignore[return-value]


def redacted_rows(group_by: str, *rows: SummaryRow) -> list[SharedSummaryRow]:
    return run_without_pauses(redact_summary(summary(group_by, *rows), None))["rows"]


class TestFields:
    @pytest.mark.parametrize(
        ("shared", "own", "hidden", "added"),
        [
            (SharedSummary, SummaryRead, set(), {"type"}),
            (SharedSummaryRow, SummaryRow, set(), set()),
            (SharedRow, ReportRow, set(), set()),
            (SharedSlice, ReportSlice, {"task_id", "entry_id"}, {"note"}),
            (SharedTimesheet, TimesheetRead, set(), {"type"}),
            (SharedTimesheetRow, TimesheetRow, {"task_id", "project_id"}, {"notes"}),
        ],
    )
    def test_shared_report_has_all_fields_but_ids(
        self, shared: type, own: type, hidden: set[str], added: set[str]
    ) -> None:
        """A new field of a report needs a decision: it is either shown or added to the hidden ones here."""
        assert get_type_hints(shared).keys() == (get_type_hints(own).keys() - hidden) | added


class TestKeys:
    @pytest.mark.parametrize("group", ["task", "project"])
    def test_id_becomes_a_number(self, group: str) -> None:
        first, second, none = redacted_rows(
            group, row(str(ObjectId()), "A"), row(str(ObjectId()), "B"), row(None, "(no project)")
        )
        assert [(each["key"], each["label"]) for each in (first, second, none)] == [
            ("1", "A"),
            ("2", "B"),
            (None, "(no project)"),
        ]

    def test_id_in_place_of_a_missing_name_is_hidden(self) -> None:
        project_id = str(ObjectId())
        (shared,) = redacted_rows("project", row(project_id, project_id))
        assert (shared["key"], shared["label"]) == ("1", "")

    @pytest.mark.parametrize(
        "group", ["hour", "day", "week", "month", "quarter", "year", "weekday", "client", "tag", "status", "billable"]
    )
    def test_other_keys_are_shown(self, group: str) -> None:
        (shared,) = redacted_rows(group, row("key", "label"))
        assert (shared["key"], shared["label"]) == ("key", "label")

    def test_key_of_a_subgroup_is_a_number(self) -> None:
        task_id = str(ObjectId())
        days = redacted_rows("day,task", *(row(day, day, rows=[row(task_id, "A")]) for day in ("2026-11-18", "19")))
        assert [day["rows"][0]["key"] for day in days] == ["1", "1"]


class TestPauses:
    def test_redaction_pauses_regularly(self) -> None:
        slices = [{"from": "", "to": "", "seconds": 0, "task_id": "", "entry_id": ""}] * PAUSE_INTERVAL
        rows = [row(str(number), "", slices=slices) for number in range(3)]
        assert sum(1 for _ in redact_summary(summary("day", *rows), None)) == 3
