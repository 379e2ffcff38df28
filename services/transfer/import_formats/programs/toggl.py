"""Toggl Track: its detailed report as CSV, and the template of its own import."""

from services.transfer.import_formats.tables.columns import Layout, index_headers

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
    needed=(
        (("start_date",), "Start date"),
        (("start",), "Start time"),
        (("end", "duration"), "Duration or End time"),
    ),
    nothing="-",
)
"""Its amounts are of an entry, not of an hour: the rate is computed from them."""
