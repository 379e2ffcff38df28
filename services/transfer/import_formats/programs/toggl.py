"""Toggl Track: the detailed report as CSV, and the template for imports into Toggl Track."""

from services.transfer.import_formats.tables.layout import Layout, index_headers

TOGGL = Layout(
    index_headers(
        {
            "start_date": "start date",
            "start": "start time",
            "end_date": "end date, stop date",
            "end": "end time, stop time",
            "duration": "duration",
            "description": "description",
            "task": "task",
            "project": "project",
            "client": "client",
            "tags": "tags",
            "billable": "billable",
            "amount": "amount",
            "user": "user, member",
            "email": "email",
        }
    ),
    required=(
        (("start_date",), "Start date"),
        (("start",), "Start time"),
        (("end", "duration"), "Duration or End time"),
    ),
    empty_cell="-",
)
"""The report has the amount of each entry and no rate: the rate is computed."""
