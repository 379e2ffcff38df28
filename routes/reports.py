"""Reports."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.arguments import Query
from app.json import json_response
from routes.dependencies import ReportReader
from routes.endpoints import Endpoint
from services.reports import report_service
from services.schemas.reports import (
    SummaryQuery,
    SummaryRead,
    TimesheetQuery,
    TimesheetRead,
    TodayQuery,
    TodayRead,
)

router = APIRouter(route_class=Endpoint, prefix="/reports", tags=["reports"])


@router.get("/summary", operation_id="report_summary", summary="Add tracked time up", response_model=SummaryRead)
async def report_summary(user: ReportReader, query: Annotated[SummaryQuery, Depends(Query(SummaryQuery))]) -> Response:
    """By days, tasks, projects or what else; entries are clipped to the time asked for and cut at local midnights."""
    return json_response(await report_service.summary(user, query=query))


@router.get(
    "/timesheet", operation_id="report_timesheet", summary="Show a week as a grid", response_model=TimesheetRead
)
async def report_timesheet(
    user: ReportReader, query: Annotated[TimesheetQuery, Depends(Query(TimesheetQuery))]
) -> Response:
    """The week that holds a date: the seconds of each task on each of its days."""
    return json_response(await report_service.timesheet(user, query=query))


@router.get("/today", operation_id="report_today", summary="Show how today stands", response_model=TodayRead)
async def report_today(user: ReportReader, query: Annotated[TodayQuery, Depends(Query(TodayQuery))]) -> Response:
    """For a status bar: today, this week, the running timer and the tasks tracked last, up to this moment."""
    return json_response(await report_service.today(user, query=query))
