"""Reports of tracked time."""

from fastapi import APIRouter
from starlette.responses import Response

from app.http.endpoint import Endpoint, Query
from app.http.json import json_response
from routes.dependencies import ReportReader
from services.reporting.reports import report_service
from services.reporting.schemas import (
    SummariesQuery,
    SummariesRead,
    SummaryQuery,
    SummaryRead,
    TimesheetQuery,
    TimesheetRead,
    TodayQuery,
    TodayRead,
)

router = APIRouter(route_class=Endpoint, prefix="/reports", tags=["reports"])


@router.get("/summary", operation_id="report_summary", summary="Sum up tracked time", response_model=SummaryRead)
async def report_summary(user: ReportReader, query: Query[SummaryQuery]) -> Response:
    """Totals by day, task, project or another key. Entries are clipped to the range and split at local midnights."""
    return json_response(await report_service.summary(user, query=query))


@router.get(
    "/summaries",
    operation_id="report_summaries",
    summary="Sum up tracked time in several ways",
    response_model=SummariesRead,
)
async def report_summaries(user: ReportReader, query: Query[SummariesQuery]) -> Response:
    """Several summaries of the same entries, for example for the charts of a page. The entries are read once."""
    return json_response(await report_service.summaries(user, query=query))


@router.get(
    "/timesheet", operation_id="report_timesheet", summary="Get a weekly timesheet", response_model=TimesheetRead
)
async def report_timesheet(user: ReportReader, query: Query[TimesheetQuery]) -> Response:
    """The week that contains a date, with the seconds of each task on each day."""
    return json_response(await report_service.timesheet(user, query=query))


@router.get("/today", operation_id="report_today", summary="Get the state of today", response_model=TodayRead)
async def report_today(user: ReportReader, query: Query[TodayQuery]) -> Response:
    """For a status bar: totals of today and this week, the running timer, and the most recently tracked tasks."""
    return json_response(await report_service.today(user, query=query))
