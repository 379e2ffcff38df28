"""Harvest: the detailed time report as CSV, with days and hours, and usually without times of day."""

from services.transfer.import_formats.tables.layout import Layout, index_headers

HARVEST = Layout(
    index_headers(
        {
            "start_date": "date",
            "start": "started at | start time, start",
            "end": "ended at | end time, end",
            "decimal_hours": "hours",
            "task": "task",
            "note": "notes",
            "project": "project",
            "client": "client",
            "tags": "tags",
            "billable": "billable",
            "rate": "billable rate, hourly rate",
            "amount": "billable amount",
            "currency": "currency",
            "first_name": "first name",
            "last_name": "last name",
            "user": "user, employee name, person",
            "email": "email, e-mail",
        }
    ),
    required=((("start_date",), "Date"), (("decimal_hours",), "Hours")),
)
