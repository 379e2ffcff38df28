"""Exports of time entries and of the account, streamed as files."""

from fastapi import APIRouter
from starlette.responses import Response

from app.http.endpoint import Endpoint, Query
from routes.dependencies import Exporter
from routes.responses import file_response, file_responses
from services.transfer.export_formats.csv_file import CsvDialect
from services.transfer.exports import export_service
from services.transfer.schemas.exports import CsvQuery, ExportQuery

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

router = APIRouter(route_class=Endpoint, prefix="/exports", tags=["exports"], default_response_class=Response)


@router.get(
    "/time-entries.csv",
    operation_id="export_time_entries_as_csv",
    summary="Export time entries as CSV",
    responses=file_responses(
        "text/csv", example="entry_id,task_id,project,client,task,note,tags,...", description="One line per entry"
    ),
)
async def export_time_entries_as_csv(user: Exporter, query: Query[CsvQuery]) -> Response:
    """Entries that intersect [from, to), oldest first. With `cut` they are clipped to the range."""
    form = CsvDialect(query.bom, query.delimiter, query.decimal)
    return file_response(export_service.export_entries(user, query=query, format="csv", dialect=form))


@router.get(
    "/time-entries.xlsx",
    operation_id="export_time_entries_as_xlsx",
    summary="Export time entries as a worksheet",
    responses=file_responses(XLSX, example="PK...", description="One row per entry, and the total"),
)
async def export_time_entries_as_xlsx(user: Exporter, query: Query[ExportQuery]) -> Response:
    """The CSV export with real dates and durations. At most 1,048,000 entries; more than that is 422."""
    return file_response(export_service.export_entries(user, query=query, format="xlsx"))


@router.get(
    "/time-entries.ndjson",
    operation_id="export_time_entries_as_ndjson",
    summary="Export time entries as JSON lines",
    responses=file_responses(
        "application/x-ndjson", example='{"id":"6920a3f1c2d4e5f607182931",...}', description="One JSON object per entry"
    ),
)
async def export_time_entries_as_ndjson(user: Exporter, query: Query[ExportQuery]) -> Response:
    """The entries of the CSV export, one JSON object per line, with the names of task, project and client."""
    return file_response(export_service.export_entries(user, query=query, format="ndjson"))


@router.get(
    "/time-entries.ics",
    operation_id="export_time_entries_as_ics",
    summary="Export time entries as a calendar",
    responses=file_responses("text/calendar", example="BEGIN:VCALENDAR...", description="One event per entry"),
)
async def export_time_entries_as_ics(user: Exporter, query: Query[ExportQuery]) -> Response:
    """The entries of the CSV export as events. UIDs are stable, so that importing again updates them."""
    return file_response(export_service.export_entries(user, query=query, format="ics"))


@router.get(
    "/account.ndjson.gz",
    operation_id="export_account",
    summary="Export the whole account",
    responses=file_responses(
        "application/gzip", example='{"type":"account","schema_version":1,...}', description="JSON lines in gzip"
    ),
)
async def export_account(user: Exporter) -> Response:
    """Profile, projects, tasks with entries, the trash and restorable entries. It contains no secrets."""
    return file_response(export_service.export_account(user))
