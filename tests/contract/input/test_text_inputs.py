"""Unicode normalization of texts, and texts that are refused. Invalid values of each field: test_invalid_values.py."""

import gzip
import json
import unicodedata
from typing import Any

import pytest

from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json, clock, pointers, problem
from tests.support.stored_documents import ended_entry, project_row, task_row, tracked

TYPED = " Gru\u0308n \U0001f469\u200d\U0001f4bb\n"
STORED = "Gr\u00fcn \U0001f469\u200d\U0001f4bb"


def texts_of(stored: Any) -> list[str]:
    """Return every text in a document or response."""
    if isinstance(stored, dict):
        return [text for inner in stored.values() for text in texts_of(inner)]
    if isinstance(stored, list):
        return [text for inner in stored for text in texts_of(inner)]
    return [stored] if isinstance(stored, str) else []


class TestNormalization:
    async def test_every_text_is_stored_in_nfc(
        self, make_user: MakeUser, anonymous: Client, database: Database
    ) -> None:
        alice = await make_user("alice@example.com")
        project = await alice.make_project(name=TYPED, client_name=TYPED)
        task = await alice.make_task(title=TYPED, description=TYPED, tags=[TYPED], project_id=project["id"])
        await alice.write(task, note=TYPED, tags=[TYPED])
        await alice.start(task, note=TYPED, tags=[TYPED])
        await alice.patch("/timer", json={"note": TYPED, "tags": [TYPED, "x"]})
        await alice.patch(f"/projects/{project['id']}", json={"name": TYPED, "client_name": TYPED})
        await alice.patch("/users/me", json={"full_name": TYPED})
        await alice.post("/auth/api-tokens", json={"name": TYPED, "scopes": ["read"]})
        await alice.post("/calendar-feeds", json={"name": TYPED, "tag": TYPED})
        await alice.post("/shares", json={"name": TYPED, "report": {"type": "timesheet", "tag": [TYPED]}})
        operations = [{"op": "create", "body": {"title": TYPED}}]
        await alice.post("/tasks/bulk", json={"operations": [*operations]})
        await alice.post("/tags/rename", json={"from": "x", "to": f"{TYPED.strip()} 2"})
        await alice.import_csv(f'2026-11-02 09:00,2026-11-02 10:00,"{TYPED}"')
        body = {"email": "new@example.com", "password": "correct horse battery", "full_name": TYPED}
        assert (await anonymous.post("/users", json=body)).status_code == 201
        names = ("users", "projects", "tasks", "api_tokens", "calendar_feeds", "shares")
        rows = [row for name in names for row in await database[name].find({}, {"outbox": 0}).to_list(None)]
        texts = [text for text in texts_of(rows) if "\U0001f469" in text]
        assert len(texts) == 18
        assert {text.strip() for text in texts} == {STORED, STORED.lower(), STORED.lower() + " 2"}

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    async def test_text_is_found_in_nfc_and_nfd(self, alice: Client, form: Any) -> None:
        def typed(text: str) -> str:
            return unicodedata.normalize(form, text)

        task = await alice.make_task(title="Büro", tags=["grün"])
        await alice.write(task, note="Übergabe\nzwei")
        assert [item["id"] for item in (await alice.list(q=typed("büro")))["items"]] == [task["id"]]
        assert [item["id"] for item in (await alice.list(tag=typed("GRÜN")))["items"]] == [task["id"]]
        for query in ({"q": typed("übergabe\nzwei")}, {"tag": typed("Grün")}):
            assert len((await alice.get("/time-entries", params=query)).json()["items"]) == 1
        await alice.make_project(name="Büro")
        problem(await alice.post("/projects", json={"name": typed("Büro")}), 409, "project_name_taken")
        renamed = await alice.post("/tags/rename", json={"from": typed("grün"), "to": "green"})
        assert renamed.json() == {"tasks": 1, "entries": 0}

    async def test_equivalent_tags_are_one_tag(self, alice: Client) -> None:
        task = await alice.make_task(tags=["grün", "gru\u0308n", "GRÜN "])
        assert task["tags"] == ["grün"]
        await alice.write(task, tags=["gru\u0308n"])
        assert (await alice.get("/tags")).json()["items"] == [{"name": "grün", "task_count": 1, "entry_count": 1}]


class TestRefusedTexts:
    @pytest.mark.parametrize("wrong", ["a\x1bb", "a\nb", "\u200b", "a\u0085b", "\u202eb"])
    async def test_bulk_operation_fails_alone(self, alice: Client, wrong: str) -> None:
        bodies: list[Json] = [{"title": wrong}, {"title": "x"}, {"title": "x", "tags": ["ok", wrong]}]
        operations = [{"op": "create", "body": body} for body in bodies]
        results = (await alice.post("/tasks/bulk", json={"operations": operations})).json()["results"]
        assert [result["status"] for result in results] == [422, 201, 422]
        assert results[2]["problem"]["errors"][0]["pointer"] == "#/operations/2/body/tags/1"

    @pytest.mark.parametrize("wrong", ["a\x1bb", "a\x07b", "a\x7fb"])
    async def test_import_reports_the_row(self, alice: Client, wrong: str) -> None:
        hours = [f"2026-11-02 0{hour}:00,2026-11-02 0{hour}:30" for hour in (1, 2)]
        batch = await alice.import_csv(f"{hours[0]},{wrong}", f"{hours[1]},fine")
        assert (batch["created"]["entries"], [error["row"] for error in batch["errors"]]) == (1, [1])
        assert batch["errors"][0]["column"] == "Task"
        assert [task["title"] for task in (await alice.list())["items"]] == ["fine"]

    @pytest.mark.parametrize("wrong", ["a\x1bb", "a\nb", "\u200b", "a\u2028b", "\u202eb"])
    @pytest.mark.parametrize(
        ("line", "field"),
        [("project", "name"), ("project", "client_name"), ("task", "title"), ("account", "full_name")],
    )
    async def test_account_file_is_422_with_the_line(
        self, alice: Client, bob: Client, line: str, field: str, wrong: str
    ) -> None:
        await alice.patch("/users/me", json={"full_name": "Ada"})
        await alice.make_task(project_id=(await alice.make_project(client_name="Acme"))["id"])
        file = gzip.decompress((await alice.get("/exports/account.ndjson.gz")).content)
        parts = [json.loads(part) for part in file.splitlines()]
        (number,) = [index for index, part in enumerate(parts) if part["type"] == line]
        parts[number][field] = wrong
        content = "\n".join(map(json.dumps, parts)).encode()
        response = await bob.post("/imports", data={"format": "account"}, files={"file": ("a", content)})
        assert pointers(response) == {"#/file"}
        assert f"line {number + 1}: " in response.json()["errors"][0]["detail"]
        assert (await bob.list())["items"] == []

    async def test_query_parameter_is_422(self, alice: Client) -> None:
        for path in ("/tasks", "/time-entries"):
            response = await alice.get(path, params={"tag": "a\x1bb"})
            assert problem(response, 422, "invalid_request")["errors"][0]["parameter"] == "tag"


class TestTextsOfEarlierVersions:
    async def test_exported_account_file_can_be_imported(self, alice: Client, bob: Client, database: Database) -> None:
        user_id, bad = alice.user["_id"], "a\x1b\nb"
        projects = [project_row(user_id, name=name, client_name="\u200b") for name in ("Bu\u0308ro", "Büro", "\x07")]
        await database.projects.insert_many(projects)
        entry = ended_entry(note=bad, tags=[bad, "Bu\u0308ro"])
        row = task_row(
            user_id, title=bad, description=bad, tags=[bad, "\u200b"], project_id=projects[1]["_id"], **tracked(entry)
        )
        await database.tasks.insert_one(row)
        await database.users.update_one({"_id": user_id}, {"$set": {"full_name": "Ada\x1b"}})
        file = (await alice.get("/exports/account.ndjson.gz")).content
        response = await bob.post("/imports", data={"format": "account"}, files={"file": ("a", file)})
        assert response.status_code == 201, response.text
        named = {project["id"]: project for project in (await bob.get("/projects")).json()["items"]}
        assert {project["name"] for project in named.values()} == {"Büro", "Büro (2)", "(no name)"}
        assert {project["client_name"] for project in named.values()} == {None}
        (task,) = (await bob.list())["items"]
        assert (task["title"], task["description"], task["tags"]) == ("a b", "a\nb", ["a b"])
        (read,) = (await bob.read(task))["time_entries"]
        assert (read["note"], read["tags"]) == ("a\nb", ["a b", "büro"])

    @pytest.mark.parametrize("new", ["grün", "green"])
    async def test_renaming_merges_equivalent_tags(self, alice: Client, database: Database, new: str) -> None:
        entry = ended_entry(tags=["gru\u0308n"])
        tags = ["gru\u0308n", "x", "grün"]
        await database.tasks.insert_one(task_row(alice.user["_id"], tags=tags, **tracked(entry)))
        assert len((await alice.get("/tags")).json()["items"]) == 3
        renamed = await alice.post("/tags/rename", json={"from": "Grün", "to": new})
        assert renamed.json() == {"tasks": 1, "entries": 1}
        (task,) = (await alice.list(tag=new))["items"]
        assert task["tags"] == [new, "x"]
        assert (await alice.read(task))["time_entries"][0]["tags"] == [new]
        assert (await alice.post("/tags/rename", json={"from": new, "to": new})).json() == {"tasks": 0, "entries": 0}


class TestNotes:
    async def test_line_breaks_and_tabs_are_stored(self, alice: Client) -> None:
        note = " one\n\ttwo\r\nthree\u2028four "
        task = await alice.make_task(description=note)
        entry = await alice.write(task, started_at=clock("09:00"), note=note)
        assert task["description"] == entry["note"] == note
