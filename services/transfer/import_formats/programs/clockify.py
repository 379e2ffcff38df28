"""Clockify: the detailed report as CSV, and the template for imports into Clockify."""

from services.transfer.import_formats.tables.layout import Layout, index_headers

CLOCKIFY = Layout(
    index_headers(
        {
            "start_date": "start date",
            "start": "start time",
            "end_date": "end date",
            "end": "end time",
            "duration": "duration",
            "seconds": "duration (seconds)",
            "minutes": "duration (minutes)",
            "hours": "duration (h)",
            "decimal_hours": "duration (decimal)",
            "description": "description",
            "task": "task, activity",
            "project": "project",
            "client": "client",
            "tags": "tags",
            "billable": "billable",
            "rate": "billable rate",
            "amount": "billable amount",
            "currency": "currency",
            "user": "user",
            "email": "email",
            "kind": "type",
            "break": "break",
        }
    ),
    required=(
        (("start_date",), "Start Date"),
        (("start",), "Start Time"),
        (("end", "hours", "decimal_hours", "duration"), "Duration (h) or End Time"),
    ),
    has_totals=True,
)
"""The currency is in the header of the rate: Billable Rate (USD)."""
