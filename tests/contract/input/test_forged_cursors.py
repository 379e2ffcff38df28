"""A cursor is no secret: whoever reads the code can make one of anything. It opens nothing, and breaks nothing."""

from datetime import datetime

from bson import ObjectId
from pydantic import BaseModel

from services.common.cursors import Position, cursor_scope, encode_cursor
from services.common.values.fields import PageQuery
from services.tracking.schemas.entries import EntryQuery
from services.tracking.schemas.projects import ProjectQuery
from services.tracking.schemas.tasks import TaskQuery
from tests.support.http import Client, clock, problem

LISTS: list[tuple[str, str, type[BaseModel], dict[str, str]]] = [
    ("/tasks", "tasks", TaskQuery, {}),
    ("/tasks", "tasks", TaskQuery, {"sort": "-due_at"}),
    ("/tasks", "tasks", TaskQuery, {"sort": "title"}),
    ("/time-entries", "time entries", EntryQuery, {}),
    ("/time-entries", "time entries", EntryQuery, {"sort": "started_at"}),
    ("/tasks/{task}/time-entries", "time entries of {task}", PageQuery, {}),
    ("/projects", "projects", ProjectQuery, {}),
    ("/imports", "imports", PageQuery, {}),
    ("/tags", "tags", PageQuery, {}),
    ("/auth/api-tokens", "API tokens", PageQuery, {}),
    ("/users/me/audit", "audit", PageQuery, {}),
]
LATER = ObjectId("f" * 24)
POSITIONS = [
    *(Position(value) for value in (None, "", LATER)),
    *(Position(value, LATER) for value in (None, 2**63 - 1, True, "\0$where", datetime(1, 1, 1))),  # noqa: DTZ001 -- as it is stored
]


class TestAForgedCursor:
    async def test_is_refused_or_leads_somewhere(self, alice: Client) -> None:
        task = await alice.make_task(tags=["web"])
        await alice.write(task)
        await alice.start(task, started_at=clock("11:00"))
        await alice.make_project()
        me = ObjectId((await alice.get("/users/me")).json()["id"])
        for path, name, query, asked in LISTS:
            scope = cursor_scope(name.format(task=task["id"]), me, query(**asked))
            for position in POSITIONS:
                cursor = encode_cursor(position, scope=scope)
                answer = await alice.get(path.format(task=task["id"]), params={**asked, "cursor": cursor})
                if answer.status_code != 200:
                    problem(answer, 422, "invalid_request")
