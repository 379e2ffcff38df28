"""An account with four weeks of work, created through the API. The work is the same each time, relative to today."""

import random
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
ZONES = (
    *("Pacific/Auckland", "Australia/Sydney", "Asia/Tokyo", "Asia/Singapore", "Asia/Dhaka", "Asia/Karachi"),
    *("Asia/Dubai", "Africa/Nairobi", "Europe/Berlin", "Europe/London", "Atlantic/Azores", "America/Sao_Paulo"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Pacific/Honolulu"),
)
AFTERNOON = time(15, 30)
WEEKS = 4

PROJECTS = (
    ("Website", "Northwind Travel", "#2f6fde", 9500),
    ("Mobile app", "Northwind Travel", "#8a4fd0", 9500),
    ("Bookkeeping", "Harbour Bakery", "#c2571a", 6500),
    ("Internal", None, "#5f6b66", None),
)
TASKS: tuple[tuple[str, int, list[str], int | None, int | None], ...] = (
    ("Design the booking form", 0, ["design"], 40, 4),
    ("Write the copy of the start page", 0, ["writing"], 16, None),
    ("Speed up the search", 0, ["backend"], 24, 2),
    ("Accessibility review", 0, ["review"], 20, 9),
    ("Offline maps", 1, ["backend", "mobile"], 30, 12),
    ("Push notifications", 1, ["mobile"], 24, None),
    ("Release 2.4", 1, ["release"], 8, 1),
    ("Invoices of October", 2, ["accounting"], 12, 3),
    ("Tax return", 2, ["accounting"], 20, 20),
    ("Weekly planning", 3, ["meeting"], None, None),
    ("E-mail", 3, [], None, None),
    ("Hiring interviews", 3, ["meeting"], 16, 6),
)
"""Title, project, tags, estimate in hours, and days until it is due."""

NOTES = (None, None, None, "First draft", "With Grace", "Feedback of the client", "Finished the tests", "Call")


def zone_in_the_afternoon() -> str:
    """Return a time zone in which it is now about half past three, so that the day has entries and is not over."""

    def minutes_from_afternoon(name: str) -> int:
        now = datetime.now(ZoneInfo(name))
        return abs((now.hour - AFTERNOON.hour) * 60 + now.minute - AFTERNOON.minute)

    return min(ZONES, key=minutes_from_afternoon)


class Account:
    """The account, while it is created."""

    def __init__(self, base_url: str, timezone: str) -> None:
        self._client = httpx.Client(base_url=f"{base_url}/api/v1/", timeout=60, trust_env=False)
        self._zone = timezone
        self._now = datetime.now(ZoneInfo(timezone))
        self._random = random.Random(7)

    def create(self) -> None:
        """Create the user, projects, tasks, entries and a running timer."""
        account = {"email": EMAIL, "password": PASSWORD, "full_name": "Ada Byron", "timezone": self._zone}
        self._post("users", account)
        form = {"username": EMAIL, "password": PASSWORD}
        token = self._client.post("auth/token", data=form).raise_for_status().json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        projects = [self._create_project(*project) for project in PROJECTS]
        tasks = [self._create_task(projects, *task) for task in TASKS]
        for days in range(WEEKS * 7, -1, -1):
            self._create_day(tasks, self._now - timedelta(days=days))
        started_at = self._now - timedelta(minutes=42, seconds=17)
        timer = {"task_id": tasks[0], "started_at": started_at.isoformat(), "note": "Dates and guests"}
        self._post("timer/start", timer)

    def _create_project(self, name: str, client: str | None, color: str, rate: int | None) -> str:
        hourly_rate = None if rate is None else {"amount": rate, "currency": "EUR"}
        body = {"name": name, "client_name": client, "color": color, "billable": rate is not None}
        return self._post("projects", {**body, "hourly_rate": hourly_rate})

    def _create_task(
        self, projects: list[str], title: str, project: int, tags: list[str], hours: int | None, due: int | None
    ) -> str:
        body: dict[str, Any] = {"title": title, "project_id": projects[project], "tags": tags}
        if hours is not None:
            body["estimate_seconds"] = hours * 3600
        if due is not None:
            body["due_at"] = (self._now + timedelta(days=due)).isoformat()
        return self._post("tasks", body)

    def _create_day(self, tasks: list[str], day: datetime) -> None:
        """Create entries from about nine in the morning on, with a break at noon. Weekends have fewer."""
        is_weekend = day.weekday() >= 5 and day.date() != self._now.date()
        start = day.replace(hour=8, minute=self._random.choice((30, 45, 55)), second=0, microsecond=0)
        end = min(start + timedelta(hours=2 if is_weekend else 9), self._now - timedelta(minutes=50))
        if is_weekend and self._random.random() < 0.6:
            return
        while start < end:
            stop = min(start + timedelta(minutes=self._random.randrange(25, 150, 5)), end)
            if stop - start >= timedelta(minutes=10):
                self._create_entry(self._random.choice(tasks), start, stop)
            start = stop + timedelta(minutes=self._random.choice((0, 0, 5, 10)))
            if start.hour == 12:
                start = start.replace(hour=13, minute=0)

    def _create_entry(self, task: str, start: datetime, stop: datetime) -> None:
        body = {"started_at": start.isoformat(), "ended_at": stop.isoformat(), "note": self._random.choice(NOTES)}
        self._post(f"tasks/{task}/time-entries", body)

    def _post(self, path: str, body: dict[str, Any]) -> str:
        response = self._client.post(path, json=body)
        if response.is_error:
            raise RuntimeError(f"POST {path}: {response.status_code} {response.text}")
        created = response.json()
        return str(created.get("id", ""))
