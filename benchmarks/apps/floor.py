"""The same operations with only Starlette and the driver: a lower bound of the cost.

Uses raw documents and orjson, one database operation per request, tokens that are verified once and cached forever, no
validation and no log. Every query contains the owner, and the responses have the shape of the API.
"""

import gc
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from bson import ObjectId
from jose import jwt
from pymongo import AsyncMongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.config import get_settings

WITHOUT_ENTRIES = {"time_entries": 0}
BOUNDS = {"time_entries.started_at": 1, "time_entries.ended_at": 1}
HIDDEN = ("user_id", "first_started_at", "last_ended_at")
_owners: dict[str, ObjectId] = {}


def now() -> datetime:
    """Return the current time as naive UTC, as the driver decodes it."""
    return datetime.now(UTC).replace(tzinfo=None)


def owner(request: Request) -> ObjectId:
    """Return the user of the access token, which is verified only once."""
    token = request.headers["authorization"][7:]
    user_id = _owners.get(token)
    if user_id is None:
        settings = get_settings()
        secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
        options = {"verify_aud": False}
        claims = jwt.decode(token, secret, algorithms=[settings.algorithm], options=options)
        user_id = _owners[token] = ObjectId(claims["sub"])
    return user_id


def respond(content: object, status: int = 200) -> Response:
    """Return the content as a JSON response."""
    option = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
    return Response(orjson.dumps(content, str, option), status, media_type="application/json")


def to_api(task: dict[str, Any]) -> dict[str, Any]:
    """Convert the document to a task of the API."""
    task["id"] = task.pop("_id")
    for name in HIDDEN:
        task.pop(name, None)
    task.setdefault("active", None)
    return task


async def create_task(request: Request) -> Response:
    """Create a task."""
    user_id = owner(request)
    at = now()
    task = {
        "_id": ObjectId(),
        "user_id": user_id,
        "project_id": None,
        "description": None,
        "status": "pending",
        "tags": [],
        "priority": None,
        "due_at": None,
        "estimate_seconds": None,
        "billable": False,
        "time_entries": [],
        "tracked_seconds": 0,
        "entry_count": 0,
        "first_started_at": None,
        "last_ended_at": None,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "completed_at": None,
        "deleted_at": None,
        **orjson.loads(await request.body()),
    }
    await request.app.state.tasks.insert_one(task)
    return respond(to_api(task), 201)


async def list_tasks(request: Request) -> Response:
    """List the newest tasks, without their entries."""
    cursor = request.app.state.tasks.find({"user_id": owner(request), "deleted_at": None}, WITHOUT_ENTRIES)
    tasks = await cursor.sort("created_at", -1).limit(50).to_list(50)
    return respond({"items": [to_api(task) for task in tasks], "next_cursor": None})


async def get_task(request: Request) -> Response:
    """Return a task with its entries, newest first."""
    task_id = ObjectId(request.path_params["task_id"])
    query = {"_id": task_id, "user_id": owner(request), "deleted_at": None}
    task = await request.app.state.tasks.find_one(query)
    if task is None:
        return respond({"code": "task_not_found"}, 404)
    task["time_entries"].reverse()
    return respond(to_api(task))


async def report_summary(request: Request) -> Response:
    """Add up tracked time by local days, with zone conversions that are as simple as possible."""
    query = request.query_params
    zone = ZoneInfo(query["timezone"])
    start, end = (datetime.fromisoformat(query[name]).replace(tzinfo=zone).timestamp() for name in ("from", "to"))
    overlapping = {"last_ended_at": {"$gt": to_stored(start)}, "first_started_at": {"$lt": to_stored(end)}}
    tasks = request.app.state.tasks.find({"user_id": owner(request), "deleted_at": None, **overlapping}, BOUNDS)
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for task in await tasks.to_list(None):
        for entry in task["time_entries"]:
            begin = max(entry["started_at"].replace(tzinfo=UTC).timestamp(), start)
            until = min(entry["ended_at"].replace(tzinfo=UTC).timestamp(), end)
            while begin < until:
                local = datetime.fromtimestamp(begin, zone)
                midnight = local.replace(hour=0, minute=0, second=0) + timedelta(days=1)
                piece_end = min(until, midnight.timestamp())
                day = local.date().isoformat()
                seconds[day] += piece_end - begin
                counts[day] += 1
                begin = piece_end
    rows = [{"key": day, "seconds": int(seconds[day]), "entry_count": counts[day]} for day in sorted(seconds)]
    return respond({"total_seconds": int(sum(seconds.values())), "rows": rows})


def to_stored(timestamp: float) -> datetime:
    """Return the instant as naive UTC."""
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)


async def start_timer(request: Request) -> Response:
    """Start the timer on a task. The unique index refuses a second one."""
    user_id = owner(request)
    task_id = ObjectId(orjson.loads(await request.body())["task_id"])
    at = now()
    entry = {
        "id": ObjectId(),
        "started_at": at.replace(microsecond=0),
        "ended_at": None,
        "duration_seconds": None,
        "note": None,
        "tags": [],
        "billable": False,
        "source": "timer",
        "timezone": "UTC",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": at,
        "updated_at": at,
    }
    task = await request.app.state.tasks.find_one_and_update(
        {"_id": task_id, "user_id": user_id, "deleted_at": None, "active": {"$exists": False}},
        {
            "$set": {"active": entry, "status": "in_progress", "updated_at": at},
            "$inc": {"version": 1},
        },
        projection={"title": 1},
    )
    if task is None:
        return respond({"code": "task_not_found"}, 404)
    timer = {"task_id": task_id, "task_title": task["title"], "entry": entry}
    return respond({**timer, "elapsed_seconds": 0, "server_time": at}, 201)


async def stop_timer(request: Request) -> Response:
    """Stop the running timer with an update pipeline that builds the ended entry."""
    at = now()
    ended_at = at.replace(microsecond=0)
    seconds = {"$toInt": {"$divide": [{"$subtract": [ended_at, "$active.started_at"]}, 1000]}}
    ended = {"ended_at": ended_at, "duration_seconds": seconds, "updated_at": at}
    entry = {"$mergeObjects": ["$active", ended]}
    task = await request.app.state.tasks.find_one_and_update(
        {"user_id": owner(request), "active": {"$type": "object"}},
        [
            {
                "$set": {
                    "time_entries": {"$concatArrays": ["$time_entries", [entry]]},
                    "tracked_seconds": {"$add": ["$tracked_seconds", seconds]},
                    "entry_count": {"$add": ["$entry_count", 1]},
                    "last_ended_at": ended_at,
                    "version": {"$add": ["$version", 1]},
                    "updated_at": at,
                }
            },
            {"$unset": "active"},
        ],
        projection={"title": 1, "active": 1, "tracked_seconds": 1},
    )
    if task is None:
        return respond({"code": "no_running_timer"}, 404)
    stopped = task["active"]
    duration = (ended_at - stopped["started_at"]) // timedelta(seconds=1)
    stopped |= {"ended_at": ended_at, "duration_seconds": duration, "updated_at": at}
    return respond(
        {
            "task_id": task["_id"],
            "task_title": task["title"],
            "entry": stopped,
            "tracked_seconds": task["tracked_seconds"] + duration,
            "server_time": at,
        }
    )


async def health(_: Request) -> Response:
    """Return a constant response."""
    return respond({"status": "healthy"})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Connect the driver, and close it at the end."""
    settings = get_settings()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    app.state.tasks = tasks = client[settings.database_name]["tasks"]
    await tasks.create_index([("user_id", 1), ("created_at", -1)], name="by_user")
    running = {"active": {"$type": "object"}}
    await tasks.create_index("user_id", name="one_timer", unique=True, partialFilterExpression=running)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)
    yield
    await client.close()


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/api/v1/tasks", create_task, methods=["POST"]),
        Route("/api/v1/tasks", list_tasks),
        Route("/api/v1/tasks/{task_id}", get_task),
        Route("/api/v1/reports/summary", report_summary),
        Route("/api/v1/timer/start", start_timer, methods=["POST"]),
        Route("/api/v1/timer/stop", stop_timer, methods=["POST"]),
    ],
    lifespan=lifespan,
)
