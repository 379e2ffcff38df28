"""The accounts, tokens and tasks of a run, the same for every service."""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from bson import ObjectId
from jose import jwt
from pymongo.synchronous.database import Database

from benchmarks.harness.client import HOST, BenchmarkError

Document = dict[str, Any]

LISTED_TASKS = 50
TIMED_TASKS = 4
ENTRIES = 5
TIMED_USERS = 16
DAYS = 7
OLD_DAYS = 30
YEARS = timedelta(days=5 * 365)
ENTRIES_IN_YEARS = 50
OLD_ENTRIES = 100
REPORTED_TASKS = 2_000
REPORTED_ENTRIES = 10
PASSWORD = "a long enough pass phrase"
SIGN_IN_SECONDS = 30
TOKEN_SECONDS = 2 * 60 * 60


@dataclass(frozen=True, slots=True)
class Account:
    """A user with an access token, and the ids of the inserted tasks."""

    user_id: ObjectId
    token: str
    tasks: tuple[ObjectId, ...] = ()


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users of one service: one reads, one writes, and sixteen start and stop timers."""

    reader: Account
    writer: Account
    timed: tuple[Account, ...]

    @property
    def tokens(self) -> list[str]:
        """The tokens of all users."""
        return [account.token for account in (self.reader, self.writer, *self.timed)]


def ended_entry(started_at: datetime, at: datetime) -> Document:
    """Return an entry of 25 minutes that was stored `at` this instant. Both are naive UTC."""
    return {
        "id": ObjectId(),
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=25),
        "duration_seconds": 25 * 60,
        "note": "Reading the second chapter",
        "tags": ["deep"],
        "billable": True,
        "source": "timer",
        "timezone": "Europe/Paris",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": at,
        "updated_at": at,
    }


def task_row(user_id: ObjectId, number: int, at: datetime, count: int = ENTRIES) -> Document:
    """Return a task with `count` hourly entries, the first of them `number` + 1 days before `at` (naive UTC)."""
    first = at.replace(microsecond=0) - timedelta(days=number + 1)
    entries = [ended_entry(first + timedelta(hours=hour), at) for hour in range(count)]
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "project_id": None,
        "title": f"Write chapter {number}",
        "description": "The first draft, then the figures, then what the others said about it.",
        "status": "in_progress",
        "tags": ["writing", "book"],
        "priority": 2,
        "due_at": at + timedelta(days=30),
        "estimate_seconds": 8 * 3600,
        "billable": True,
        "time_entries": entries,
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": entries[0]["started_at"],
        "last_ended_at": entries[-1]["ended_at"],
        "version": 1 + 2 * len(entries),
        "created_at": at + timedelta(milliseconds=number),
        "updated_at": at,
        "completed_at": None,
        "deleted_at": None,
    }


def with_tasks(database: Database[Document], account: Account, count: int, *, entries: int = ENTRIES) -> Account:
    """Insert `count` tasks with `entries` entries each, and return the account with their ids."""
    at = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    tasks = [task_row(account.user_id, number, at, entries) for number in range(count)]
    database["tasks"].insert_many(tasks)
    return Account(account.user_id, account.token, tuple(task["_id"] for task in tasks))


def with_history(database: Database[Document], account: Account, older: int) -> None:
    """Insert one week of entries, the same for every account, and `older` entries that ended weeks before it."""
    at = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    week = [task_row(account.user_id, number, at) for number in range(DAYS)]
    history = [task_row(account.user_id, OLD_DAYS + number, at, OLD_ENTRIES) for number in range(older // OLD_ENTRIES)]
    for task in (*history, *week):
        database["tasks"].insert_one(task)


def with_years(database: Database[Document], account: Account, count: int) -> None:
    """Insert `count` entries, spread evenly over the last five years, in consecutive tasks."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    for number in range(count // ENTRIES_IN_YEARS):
        places = range(number * ENTRIES_IN_YEARS, (number + 1) * ENTRIES_IN_YEARS)
        starts = [now - YEARS + (YEARS - timedelta(hours=1)) * place / count for place in places]
        entries = [ended_entry(start.replace(microsecond=0), now) for start in starts]
        changed = {
            "time_entries": entries,
            "first_started_at": entries[0]["started_at"],
            "last_ended_at": entries[-1]["ended_at"],
        }
        database["tasks"].insert_one({**task_row(account.user_id, number, now, ENTRIES_IN_YEARS), **changed})


def with_reported_time(database: Database[Document], account: Account, since: datetime, days: int) -> None:
    """Insert 2,000 tasks with one entry a day on 10 days. The tasks begin one after another within `days` days.

    `since` is naive UTC.
    """
    for number in range(REPORTED_TASKS):
        first = since + timedelta(minutes=number * (days - REPORTED_ENTRIES) * 1440 // REPORTED_TASKS)
        entries = [ended_entry(first + timedelta(days=day), since) for day in range(REPORTED_ENTRIES)]
        task = task_row(account.user_id, number, since, REPORTED_ENTRIES)
        changed = {
            "time_entries": entries,
            "first_started_at": entries[0]["started_at"],
            "last_ended_at": entries[-1]["ended_at"],
        }
        database["tasks"].insert_one({**task, **changed})


def seed(database: Database[Document], accounts: list[Account]) -> Accounts:
    """Insert the tasks of TIMED_USERS + 2 accounts, and assign the roles."""
    reader, writer, *timed = accounts
    return Accounts(
        reader=with_tasks(database, reader, LISTED_TASKS),
        writer=writer,
        timed=tuple(with_tasks(database, account, TIMED_TASKS) for account in timed),
    )


def delete_created_tasks(database: Database[Document], accounts: Accounts) -> None:
    """Delete the tasks that the writer has created."""
    database["tasks"].delete_many({"user_id": accounts.writer.user_id})


def replace_timed_tasks(database: Database[Document], accounts: Accounts) -> Accounts:
    """Replace the tasks of the timer users, so that none grows during the run."""
    timed = []
    for account in accounts.timed:
        database["tasks"].delete_many({"user_id": account.user_id})
        timed.append(with_tasks(database, account, TIMED_TASKS))
    return Accounts(accounts.reader, accounts.writer, tuple(timed))


def email(number: int) -> str:
    """Return the e-mail address of the account with this number."""
    return f"user{number}@example.com"


def _user(number: int, at: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "email": email(number),
        "email_key": email(number),
        "password_hash": "$argon2id$v=19$m=65536,t=3,p=4$" + 65 * "x",
        "full_name": None,
        "timezone": "Europe/Paris",
        "week_start": 0,
        "preferences": {"overlap_policy": "allow", "timer_cap_hours": 12},
        "is_active": True,
        "token_version": 0,
        "timeline_version": 0,
        "created_at": at,
        "updated_at": at,
    }


def _session(user_id: ObjectId, at: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "token_hash": "",
        "token_version": 0,
        "rotated": [],
        "created_at": at,
        "updated_at": at,
        "expires_at": at + timedelta(days=1),
        "revoked_at": None,
    }


def _access_token(user_id: ObjectId, session_id: ObjectId, secret: str) -> str:
    now = int(time.time())
    claims = {
        "iss": "Task Timer",
        "sub": str(user_id),
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": uuid.uuid4().hex,
        "sid": str(session_id),
        "ver": 0,
    }
    token: str = jwt.encode(claims, secret, algorithm="HS256")
    return token


def insert_accounts(database: Database[Document], secret: str, count: int = TIMED_USERS + 2) -> list[Account]:
    """Insert accounts with sessions, and return them with access tokens like those of the service."""
    return [insert_account(database, secret, number) for number in range(count)]


def insert_account(database: Database[Document], secret: str, number: int) -> Account:
    """Insert the account with this number and a session."""
    user = _user(number, datetime.now(UTC))
    database["users"].insert_one(user)
    return sign_in(database, secret, user["_id"])


def sign_in(database: Database[Document], secret: str, user_id: ObjectId) -> Account:
    """Insert a session of the user, and return the account with an access token."""
    session = _session(user_id, datetime.now(UTC))
    database["refresh_tokens"].insert_one(session)
    return Account(user_id, _access_token(user_id, session["_id"], secret))


def _checked(response: httpx.Response) -> Document:
    if not response.is_success:
        raise BenchmarkError(f"{response.request.url}: {response.status_code} {response.text}")
    content: Document = response.json()
    return content


def register_accounts(port: int, count: int = TIMED_USERS + 2) -> list[Account]:
    """Register accounts and sign them in through the API of the service."""
    accounts = []
    base = f"http://{HOST}:{port}/api/v1"
    with httpx.Client(base_url=base, timeout=SIGN_IN_SECONDS, trust_env=False) as client:
        for number in range(count):
            credentials = {"email": email(number), "password": PASSWORD}
            user = _checked(client.post("/users", json=credentials))
            form = {"username": email(number), "password": PASSWORD}
            token = _checked(client.post("/auth/token", data=form))["access_token"]
            accounts.append(Account(ObjectId(user["id"]), token))
    return accounts
