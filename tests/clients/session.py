"""A session with the generated Python client: python session.py BASE_URL. tests/clients/__main__.py runs it.

Every response is read through the generated types.
"""

import io
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from task_timer_client import AuthenticatedClient, Client
from task_timer_client.api.auth import create_api_token, sign_in
from task_timer_client.api.exports import (
    export_account,
    export_time_entries_as_csv,
    export_time_entries_as_ics,
    export_time_entries_as_xlsx,
)
from task_timer_client.api.imports import import_file
from task_timer_client.api.projects import create_project
from task_timer_client.api.reports import report_summary
from task_timer_client.api.tasks import change_task, create_task, get_task, list_tasks
from task_timer_client.api.time_entries import create_time_entry, list_time_entries
from task_timer_client.api.timer import get_timer, start_timer, stop_timer
from task_timer_client.api.users import register
from task_timer_client.models import (
    ApiTokenCreate,
    ApiTokenCreated,
    EntryCreate,
    EntryWithTask,
    EntryWithTaskPage,
    EntryWriteResult,
    HourlyRate,
    ImportForm,
    ImportFormatOrAuto,
    ImportRead,
    OverlapPolicy,
    Problem,
    ProjectCreate,
    ProjectRead,
    Scope,
    SignIn,
    SummaryRead,
    TaskCreate,
    TaskPage,
    TaskRead,
    TaskStatus,
    TaskUpdate,
    TaskWithEntries,
    TimerRead,
    TimerStart,
    TimerStop,
    TimerStopResult,
    TimerWriteResult,
    TokenRead,
    UserCreate,
    UserRead,
)
from task_timer_client.types import UNSET, File, Unset

T = TypeVar("T")

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
NINE = datetime(2026, 11, 18, 9, tzinfo=UTC)
CSV = b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n"


def expect(kind: type[T], response: object) -> T:
    """Return the response. Exits if it has another type."""
    if not isinstance(response, kind):
        raise SystemExit(f"expected {kind.__name__}, received {response!r}")
    return response


def client_of_new_user(base_url: str) -> AuthenticatedClient:
    """Register a user, and return a client with a session."""
    anonymous = Client(base_url=base_url)
    user = expect(UserRead, register.sync(client=anonymous, body=UserCreate(email=EMAIL, password=PASSWORD)))
    assert (user.email, user.timezone, user.preferences.overlap_policy) == (EMAIL, "UTC", OverlapPolicy.ALLOW)
    token = expect(TokenRead, sign_in.sync(client=anonymous, body=SignIn(username=EMAIL, password=PASSWORD)))
    wrong = expect(Problem, sign_in.sync(client=anonymous, body=SignIn(username=EMAIL, password="wrong")))
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    return AuthenticatedClient(base_url=base_url, token=token.access_token)


def client_with_api_token(client: AuthenticatedClient, base_url: str) -> AuthenticatedClient:
    """Return a client with an API token of the user."""
    body = ApiTokenCreate(name="Session", scopes=list(Scope))
    made = expect(ApiTokenCreated, create_api_token.sync(client=client, body=body))
    assert (made.expires_at, made.scopes) == (None, list(Scope))
    return AuthenticatedClient(base_url=base_url, token=made.token)


def create_project_and_task(client: AuthenticatedClient) -> TaskRead:
    rate = HourlyRate(amount=9000, currency="EUR")
    project = expect(
        ProjectRead,
        create_project.sync(client=client, body=ProjectCreate(name="Website", billable=True, hourly_rate=rate)),
    )
    made = create_task.sync_detailed(
        client=client, body=TaskCreate(title="Write the offer", project_id=project.id), idempotency_key="one"
    )
    task = expect(TaskRead, made.parsed)
    assert made.headers["location"].endswith(task.id)
    assert (task.status, task.billable, task.due_at, task.active) == (TaskStatus.PENDING, True, None, None)
    again = create_task.sync_detailed(
        client=client, body=TaskCreate(title="Write the offer", project_id=project.id), idempotency_key="one"
    )
    assert expect(TaskRead, again.parsed).id == task.id
    assert again.headers["idempotency-replayed"] == "true"
    return task


def track_time(client: AuthenticatedClient, task: TaskRead) -> None:
    assert get_timer.sync_detailed(client=client).status_code == HTTPStatus.NO_CONTENT
    started = expect(TimerWriteResult, start_timer.sync(client=client, body=TimerStart(task_id=task.id, note="Draft")))
    assert started.entry.ended_at is None
    assert expect(TimerRead, get_timer.sync(client=client)).entry.id == started.entry.id
    body = TimerStop(entry_id=started.entry.id)
    stopped = expect(TimerStopResult, stop_timer.sync(client=client, body=body))
    assert expect(datetime, stopped.entry.ended_at).tzinfo is not None
    assert expect(TimerStopResult, stop_timer.sync(client=client, body=body)).entry == stopped.entry
    assert expect(TimerStopResult, stop_timer.sync(client=client, body=body)).entry.note == "Draft"


def create_entry(client: AuthenticatedClient, task: TaskRead) -> None:
    hour = EntryCreate(started_at=NINE, duration_seconds=3600)
    written = expect(EntryWriteResult, create_time_entry.sync(task.id, client=client, body=hour))
    assert (written.started_at, written.overlaps) == (NINE, UNSET)
    refused = expect(Problem, create_time_entry.sync(task.id, client=client, body=hour, overlap=OverlapPolicy.FORBID))
    assert (refused.status, refused.code) == (409, "overlap")
    assert not isinstance(refused.overlaps, Unset)
    assert [shared.entry_id for shared in refused.overlaps] == [written.id]


def change(client: AuthenticatedClient, task: TaskRead) -> None:
    seen = get_task.sync_detailed(task.id, client=client)
    assert len(expect(TaskWithEntries, seen.parsed).time_entries) == 2
    version = seen.headers["etag"]
    assert get_task.sync_detailed(task.id, client=client, if_none_match=version).status_code == HTTPStatus.NOT_MODIFIED
    body = TaskUpdate(status=TaskStatus.COMPLETED, description=None)
    changed = expect(TaskRead, change_task.sync(task.id, client=client, body=body, if_match=version))
    assert changed.status is TaskStatus.COMPLETED
    stale = expect(Problem, change_task.sync(task.id, client=client, body=body, if_match=version))
    assert (stale.status, stale.code) == (412, "stale_version")


def list_all_entries(client: AuthenticatedClient) -> list[EntryWithTask]:
    """Return all entries, read in pages of one entry."""
    entries: list[EntryWithTask] = []
    cursor: str | Unset = UNSET
    while True:
        page = expect(EntryWithTaskPage, list_time_entries.sync(client=client, limit=1, cursor=cursor))
        entries += page.items
        if page.next_cursor is None:
            return entries
        cursor = page.next_cursor


def report(client: AuthenticatedClient) -> None:
    summary = expect(
        SummaryRead,
        report_summary.sync(client=client, from_="2026-11-18", to="2026-11-19", group_by="task"),
    )
    assert (summary.total_seconds, [row.seconds for row in summary.rows]) == (3600, [3600])
    assert [(amount.currency, amount.amount) for amount in summary.amounts] == [("EUR", 9000)]


def export(client: AuthenticatedClient) -> None:
    first, last = "2026-11-18", "2026-11-19"
    lines = expect(str, export_time_entries_as_csv.sync(client=client, from_=first, to=last)).splitlines()
    assert len(lines) == 2
    assert "Write the offer" in lines[1]
    calendar = expect(str, export_time_entries_as_ics.sync(client=client, from_=first, to=last))
    assert calendar.startswith("BEGIN:VCALENDAR")
    sheet = expect(File, export_time_entries_as_xlsx.sync(client=client, from_=first, to=last))
    assert sheet.payload.read(2) == b"PK"
    account = export_account.sync_detailed(client=client)
    assert account.content.startswith(b"\x1f\x8b")


def import_csv(client: AuthenticatedClient) -> None:
    file = File(payload=io.BytesIO(CSV), file_name="time.csv", mime_type="text/csv")
    form = ImportForm(file=file, format_=ImportFormatOrAuto.AUTO, timezone="UTC")
    made = expect(ImportRead, import_file.sync(client=client, body=form))
    assert (made.created.entries, made.errors, made.state) == (1, [], UNSET)


def check_errors(client: AuthenticatedClient) -> None:
    missing = expect(Problem, get_task.sync("0" * 24, client=client))
    assert (missing.status, missing.code, missing.errors) == (404, "task_not_found", UNSET)
    wrong = expect(Problem, create_task.sync(client=client, body=TaskCreate(title="")))
    assert (wrong.status, wrong.code) == (422, "invalid_request")
    assert not isinstance(wrong.errors, Unset)
    assert [where.pointer for where in wrong.errors] == ["#/title"]


def main(base_url: str) -> None:
    session = client_of_new_user(base_url)
    client = client_with_api_token(session, base_url)
    task = create_project_and_task(client)
    track_time(client, task)
    create_entry(client, task)
    change(client, task)
    report(client)
    export(client)
    import_csv(client)
    titles = sorted(entry.task_title for entry in list_all_entries(client))
    assert titles == ["Mail", "Write the offer", "Write the offer"]
    page = expect(TaskPage, list_tasks.sync(client=client, status=[TaskStatus.COMPLETED, TaskStatus.PENDING], tag=[]))
    assert [found.title for found in page.items] == ["Mail", "Write the offer"]
    check_errors(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
