"""CSV of any program, and that of this service: what people call the columns of a list of hours."""

from services.import_formats.columns import Layout, layout_fields

GENERIC = Layout(
    layout_fields(
        {
            "start_date": "start date, started on, date, day, start day, from date, date from",
            "start": "start, started, started at, start at, start time, time started, start datetime, "
            "start date time, start date/time, start date and time, start timestamp, from, time from, from time, "
            "begin, began, begin time, beginning, clock in, time in, in",
            "end_date": "end date, ended on, stop date, end day, to date, date to, finish date",
            "end": "end, ended, ended at, end at, end time, time ended, end datetime, end date time, "
            "end date/time, end date and time, end timestamp, to, time to, to time, until, till, stop, stopped, "
            "stopped at, stop time, finish, finished, finished at, finish time, clock out, time out, out",
            "duration": "duration, duration (h:mm), duration (hh:mm), duration (hh:mm:ss), hh:mm, hh:mm:ss, "
            "h:mm, time spent, elapsed, elapsed time, length, total time, time tracked, tracked time",
            "seconds": "duration seconds, seconds, duration (s), duration (seconds), duration in seconds, "
            "elapsed seconds, secs",
            "minutes": "duration minutes, minutes, duration (m), duration (min), duration (minutes), "
            "duration in minutes, mins, min",
            "hours": "duration (h), duration (hours), hours worked, worked hours, time (h), time (hours)",
            "decimal_hours": "duration hours, hours, duration (decimal), decimal, decimal hours, "
            "duration in hours, hours (decimal), duration decimal, decimal duration",
            "task": "task, title, activity, task name, task title",
            "description": "description, desc, what, subject, summary, entry, work, work done",
            "note": "note, notes, detail, details, comment, comments, remark, remarks, memo",
            "project": "project, project name",
            "client": "client, client name, customer, customer name, company",
            "tags": "tag, tags, label, labels",
            "billable": "billable, is billable, chargeable",
            "rate": "hourly rate, rate, billable rate, rate per hour",
            "currency": "currency, currency code",
            "timezone": "timezone, time zone, tz, zone",
            "entry_id": "entry id",
        }
    ),
    needed=(
        (("start_date", "start"), "for the start, such as start or started_at"),
        (
            ("end", "duration", "seconds", "minutes", "hours", "decimal_hours"),
            "for the end or the duration, such as end, ended_at or duration_seconds",
        ),
    ),
    is_neutralised=True,
)
