"""Exports: time entries as files, streamed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.http.endpoint import Endpoint, Query
from app.openapi.response_headers import header_references
from routes.dependencies import Exporter
from routes.responses import streamed
from services.transfer.export_formats.csv_file import CsvDialect
from services.transfer.exports import export_service
from services.transfer.schemas.exports import CsvQuery, ExportQuery

router = APIRouter(route_class=Endpoint, prefix="/exports", tags=["exports"])

Range = Annotated[ExportQuery, Depends(Query(ExportQuery))]


def _file(media_type: str, example: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers a file: text where it is of a kind of text, else bytes."""
    schema: dict[str, Any] = {"type": "string", "examples": [example]}
    if not media_type.startswith("text/"):
        schema["format"] = "binary"
    headers = header_references("Content-Disposition")
    return {200: {"description": description, "content": {media_type: {"schema": schema}}, "headers": headers}}


@router.get(
    "/time-entries.csv",
    operation_id="export_time_entries_as_csv",
    summary="Export time entries as CSV",
    response_class=Response,
    responses=_file("text/csv", "entry_id,task_id,project,client,task,note,tags,...", "A line an entry"),
)
async def export_time_entries_as_csv(user: Exporter, query: Annotated[CsvQuery, Depends(Query(CsvQuery))]) -> Response:
    """Entries that intersect [from, to), oldest first. With `cut` they are clipped to the range."""
    form = CsvDialect(query.bom, query.delimiter, query.decimal)
    return streamed(export_service.entries(user, query=query, form="csv", csv_form=form))


@router.get(
    "/time-entries.xlsx",
    operation_id="export_time_entries_as_xlsx",
    summary="Export time entries as a worksheet",
    response_class=Response,
    responses=_file(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "PK...", "A row an entry, and their total"
    ),
)
async def export_time_entries_as_xlsx(user: Exporter, query: Range) -> Response:
    """The CSV export with real dates and durations. At most 1,048,000 entries; more than that is 422."""
    return streamed(export_service.entries(user, query=query, form="xlsx"))


@router.get(
    "/time-entries.ndjson",
    operation_id="export_time_entries_as_ndjson",
    summary="Export time entries as JSON lines",
    response_class=Response,
    responses=_file("application/x-ndjson", '{"id":"6920a3f1c2d4e5f607182931",...}', "A JSON object an entry"),
)
async def export_time_entries_as_ndjson(user: Exporter, query: Range) -> Response:
    """The entries of the CSV export, one JSON object per line, with the names of task, project and client."""
    return streamed(export_service.entries(user, query=query, form="ndjson"))


@router.get(
    "/time-entries.ics",
    operation_id="export_time_entries_as_ics",
    summary="Export time entries as a calendar",
    response_class=Response,
    responses=_file("text/calendar", "BEGIN:VCALENDAR...", "An event an entry"),
)
async def export_time_entries_as_ics(user: Exporter, query: Range) -> Response:
    """The entries of the CSV export as events. UIDs are stable, so that importing again updates them."""
    return streamed(export_service.entries(user, query=query, form="ics"))


@router.get(
    "/account.ndjson.gz",
    operation_id="export_account",
    summary="Export the whole account",
    response_class=Response,
    responses=_file("application/gzip", '{"type":"account","schema_version":1,...}', "JSON lines in gzip"),
)
async def export_account(user: Exporter) -> Response:
    """Profile, projects, tasks with entries, the trash and restorable entries. It contains no secrets."""
    return streamed(export_service.account(user))
