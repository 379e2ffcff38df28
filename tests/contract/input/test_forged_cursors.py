"""Cursors are not signed, so that a client can forge one. A forged cursor gives no access and causes no crash."""

from datetime import datetime

from bson import ObjectId
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel

from services.common.cursors import Position, cursor_scope, encode_cursor
from services.common.values.fields import PageQuery
from services.tracking.schemas.entries import EntryQuery
from services.tracking.schemas.projects import ProjectQuery
from services.tracking.schemas.tasks import TaskQuery
from tests.support.http import Client, clock, parameters, problem

LISTS: list[tuple[str, str, type[BaseModel], dict[str, str]]] = [
    ("/tasks", "tasks", TaskQuery, {}),
    ("/tasks", "tasks", TaskQuery, {"sort": "-due_at"}),
    ("/tasks", "tasks", TaskQuery, {"sort": "title"}),
    ("/tasks", "tasks", TaskQuery, {"sort": "-tracked_seconds"}),
    ("/time-entries", "time entries", EntryQuery, {}),
    ("/time-entries", "time entries", EntryQuery, {"sort": "started_at"}),
    ("/tasks/{task}/time-entries", "time entries of {task}", PageQuery, {}),
    ("/projects", "projects", ProjectQuery, {}),
    ("/imports", "imports", PageQuery, {}),
    ("/tags", "tags", PageQuery, {}),
    ("/auth/api-tokens", "API tokens", PageQuery, {}),
    ("/calendar-feeds", "calendar feeds", PageQuery, {}),
    ("/users/me/audit", "audit", PageQuery, {}),
    ("/shares", "shares", PageQuery, {}),
]
LATER = ObjectId("f" * 24)
POSITIONS = [
    *(Position(value) for value in (None, "", LATER)),
    *(Position(value, LATER) for value in (None, 2**63 - 1, True, "\0$where", datetime(1, 1, 1))),  # noqa: DTZ001 -- as it is stored
]


class TestForgedCursor:
    async def test_forged_cursor_is_422_or_a_page(self, alice: Client) -> None:
        task = await alice.make_task(tags=["web"])
        await alice.write(task)
        await alice.start(task, started_at=clock("11:00"))
        await alice.make_project()
        me = ObjectId((await alice.get("/users/me")).json()["id"])
        for path, name, query, params in LISTS:
            scope = cursor_scope(name.format(task=task["id"]), me, query(**params))
            for position in POSITIONS:
                cursor = encode_cursor(position, scope=scope)
                response = await alice.get(path.format(task=task["id"]), params={**params, "cursor": cursor})
                if response.status_code != 200:
                    problem(response, 422, "invalid_request")


many_examples = examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestInvalidCursor:
    @many_examples
    @given(cursor=st.text(max_size=1_500) | st.binary(max_size=300).map(bytes.hex))
    async def test_random_cursor_is_422(self, alice: Client, cursor: str) -> None:
        assert parameters(await alice.get("/tasks", params={"cursor": cursor})) == {"cursor"}

    @many_examples
    @given(data=st.data())
    async def test_changed_cursor_is_422(self, alice: Client, data: st.DataObject) -> None:
        for title in ("a", "b"):
            await alice.make_task(title=title)
        cursor: str = (await alice.list(limit=1, sort="title"))["next_cursor"]
        index = data.draw(st.integers(0, len(cursor) - 1))
        character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
        changed = data.draw(
            st.sampled_from(
                (cursor[:index] + character + cursor[index + 1 :], cursor[:index], cursor + character, cursor + "=")
            )
        )
        assume(changed != cursor)
        response = await alice.get("/tasks", params={"cursor": changed, "limit": 1, "sort": "title"})
        assert parameters(response) == {"cursor"}
