"""A simple version of the service, as in the tutorials of FastAPI and Beanie, for comparison.

It uses Beanie documents for reads and writes and `response_model` on every route. It verifies the token and loads the
user for each request. A list returns complete tasks with their entries.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from beanie import Document, PydanticObjectId, init_beanie
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from jose import JWTError, jwt
from pydantic import BaseModel, ConfigDict, Field
from pymongo import AsyncMongoClient

from app.config import get_settings


def now() -> datetime:
    """Return the current time as naive UTC, as the driver decodes it by default."""
    return datetime.now(UTC).replace(tzinfo=None)


class TimeEntry(BaseModel):
    """A time entry of a task."""

    id: PydanticObjectId = Field(default_factory=PydanticObjectId)
    started_at: datetime
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    note: str | None = None
    tags: list[str] = []
    billable: bool = False
    source: str = "timer"
    timezone: str = "UTC"
    needs_review: bool = False
    hourly_rate: dict[str, Any] | None = None
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class Task(Document):
    """A task with its time entries."""

    user_id: PydanticObjectId
    project_id: PydanticObjectId | None = None
    title: str
    description: str | None = None
    status: str = "pending"
    tags: list[str] = Field(default_factory=list)
    priority: int | None = None
    due_at: datetime | None = None
    estimate_seconds: int | None = None
    billable: bool = False
    time_entries: list[TimeEntry] = Field(default_factory=list)
    active: TimeEntry | None = None
    tracked_seconds: int = 0
    entry_count: int = 0
    first_started_at: datetime | None = None
    last_ended_at: datetime | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)
    completed_at: datetime | None = None
    deleted_at: datetime | None = None

    class Settings:
        """The collection."""

        name = "tasks"
        indexes = ("user_id",)


class User(Document):
    """An account."""

    email: str
    email_key: str
    password_hash: str
    full_name: str | None = None
    timezone: str = "UTC"
    week_start: int = 0
    preferences: dict[str, Any] = Field(default_factory=dict)
    is_active: bool = True
    token_version: int = 0
    timeline_version: int = 0
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)

    class Settings:
        """The collection."""

        name = "users"


class TaskCreate(BaseModel):
    """The body of a request that creates a task."""

    title: str = Field(min_length=1, max_length=200)
    description: str | None = None
    tags: list[str] = []
    priority: int | None = None
    due_at: datetime | None = None
    estimate_seconds: int | None = None
    billable: bool = False


class TimeEntryRead(BaseModel):
    """A time entry in a response."""

    model_config = ConfigDict(from_attributes=True)

    id: PydanticObjectId
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: int | None
    note: str | None
    tags: list[str]
    billable: bool
    source: str
    timezone: str
    needs_review: bool
    hourly_rate: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


class TaskRead(BaseModel):
    """A task in a response."""

    model_config = ConfigDict(from_attributes=True)

    id: PydanticObjectId
    title: str
    description: str | None
    status: str
    tags: list[str]
    priority: int | None
    project_id: PydanticObjectId | None
    due_at: datetime | None
    estimate_seconds: int | None
    billable: bool
    tracked_seconds: int
    entry_count: int
    active: TimeEntryRead | None
    time_entries: list[TimeEntryRead]
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    deleted_at: datetime | None


class TaskList(BaseModel):
    """A page of tasks."""

    items: list[TaskRead]
    next_cursor: str | None


class TimerStart(BaseModel):
    """The body of a request that starts the timer."""

    task_id: PydanticObjectId


class TimerRead(BaseModel):
    """A running timer."""

    task_id: PydanticObjectId
    task_title: str
    entry: TimeEntryRead
    elapsed_seconds: int
    server_time: datetime


class TimerStopResult(BaseModel):
    """The result of stopping a timer."""

    task_id: PydanticObjectId
    task_title: str
    entry: TimeEntryRead
    tracked_seconds: int
    server_time: datetime


class ReportRow(BaseModel):
    """The total of a day."""

    key: str
    seconds: int
    entry_count: int


class ReportRead(BaseModel):
    """A report of tracked time by day."""

    total_seconds: int
    rows: list[ReportRow]


oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token")


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)]) -> User:
    """Return the user of the access token."""
    settings = get_settings()
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    try:
        payload = jwt.decode(token, secret, algorithms=[settings.algorithm], options={"verify_aud": False})
        user_id = PydanticObjectId(payload["sub"])
    except (JWTError, KeyError) as error:
        raise HTTPException(status_code=401, detail="Invalid token") from error
    user = await User.get(user_id)
    if user is None or not user.is_active:
        raise HTTPException(status_code=401, detail="Invalid token")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def get_own_task(task_id: PydanticObjectId, user: User) -> Task:
    """Return the user's task with this id."""
    task = await Task.find_one({"_id": task_id, "user_id": user.id, "deleted_at": None})
    if task is None:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Connect Beanie, and close the client at the end."""
    settings = get_settings()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    database: Any = client[settings.database_name]
    await init_beanie(database=database, document_models=[User, Task])
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    """Return a constant response."""
    return {"status": "healthy"}


@app.post("/api/v1/tasks", response_model=TaskRead, status_code=201)
async def create_task(body: TaskCreate, user: CurrentUser) -> Task:
    """Create a task."""
    task = Task(user_id=user.id, **body.model_dump())
    await task.insert()
    return task


@app.get("/api/v1/tasks", response_model=TaskList)
async def list_tasks(user: CurrentUser, limit: int = 50) -> dict[str, Any]:
    """List the newest tasks."""
    query = Task.find({"user_id": user.id, "deleted_at": None})
    tasks = await query.sort("-created_at").limit(limit).to_list()
    return {"items": tasks, "next_cursor": None}


@app.get("/api/v1/tasks/{task_id}", response_model=TaskRead)
async def get_task(task_id: PydanticObjectId, user: CurrentUser) -> Task:
    """Return a task."""
    return await get_own_task(task_id, user)


@app.post("/api/v1/timer/start", response_model=TimerRead, status_code=201)
async def start_timer(body: TimerStart, user: CurrentUser) -> dict[str, Any]:
    """Start the timer on a task."""
    running = await Task.find_one({"user_id": user.id, "active": {"$type": "object"}})
    if running is not None:
        raise HTTPException(status_code=409, detail="A timer is running")
    task = await get_own_task(body.task_id, user)
    started_at = now().replace(microsecond=0)
    entry = TimeEntry(started_at=started_at, billable=task.billable, timezone=user.timezone)
    task.active = entry
    task.status = "in_progress"
    task.first_started_at = task.first_started_at or started_at
    task.version += 1
    task.updated_at = now()
    await task.save()
    return {
        "task_id": task.id,
        "task_title": task.title,
        "entry": entry,
        "elapsed_seconds": 0,
        "server_time": now(),
    }


@app.post("/api/v1/timer/stop", response_model=TimerStopResult)
async def stop_timer(user: CurrentUser) -> dict[str, Any]:
    """Stop the running timer."""
    task = await Task.find_one({"user_id": user.id, "active": {"$type": "object"}})
    if task is None or task.active is None:
        raise HTTPException(status_code=404, detail="No timer is running")
    entry = task.active
    entry.ended_at = now().replace(microsecond=0)
    entry.duration_seconds = int((entry.ended_at - entry.started_at).total_seconds())
    entry.updated_at = now()
    task.time_entries.append(entry)
    task.active = None
    task.tracked_seconds += entry.duration_seconds
    task.entry_count += 1
    task.last_ended_at = entry.ended_at
    task.version += 1
    task.updated_at = now()
    await task.save()
    return {
        "task_id": task.id,
        "task_title": task.title,
        "entry": entry,
        "tracked_seconds": task.tracked_seconds,
        "server_time": now(),
    }


@app.get("/api/v1/reports/summary", response_model=ReportRead)
async def report_summary(
    user: CurrentUser, since: Annotated[date, Query(alias="from")], to: date, timezone: str = "UTC"
) -> dict[str, Any]:
    """Add up tracked time by local days."""
    zone = ZoneInfo(timezone)
    start = datetime.combine(since, time.min, zone).astimezone(UTC).replace(tzinfo=None)
    end = datetime.combine(to, time.min, zone).astimezone(UTC).replace(tzinfo=None)
    in_range = {"last_ended_at": {"$gt": start}, "first_started_at": {"$lt": end}}
    tasks = await Task.find({"user_id": user.id, "deleted_at": None, **in_range}).to_list()
    seconds: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for task in tasks:
        for entry in task.time_entries:
            ended_at = entry.ended_at or now()
            begin, until = max(entry.started_at, start), min(ended_at, end)
            while begin < until:
                day = begin.replace(tzinfo=UTC).astimezone(zone).date()
                midnight = datetime.combine(day + timedelta(days=1), time.min, zone)
                piece_end = min(until, midnight.astimezone(UTC).replace(tzinfo=None))
                seconds[day.isoformat()] += int((piece_end - begin).total_seconds())
                counts[day.isoformat()] += 1
                begin = piece_end
    rows = [{"key": key, "seconds": seconds[key], "entry_count": counts[key]} for key in sorted(seconds)]
    return {"total_seconds": sum(seconds.values()), "rows": rows}
