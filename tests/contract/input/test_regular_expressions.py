"""Regular expressions: those of clients are literal text, those of the service match in linear time."""

import re
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from fastapi import FastAPI

import app as app_package
import documents
import routes
import services
from tests.contract.input.bodies import Resources, json_bodies
from tests.support.http import Client, parameters, problem

JSON = {"Content-Type": "application/json"}


class TestRegularExpressionsInSearches:
    async def test_search_is_literal(self, alice: Client) -> None:
        patterns = [
            ".*",
            "(a+)+$",
            "^",
            "$",
            "a|b",
            "[a-z]",
            "\\",
            "\\\\",
            "\\d",
            "(?i)x",
            "a{2}",
            "#",
            "(",
            "?",
            "é",
        ]
        tasks = [await alice.make_task(title=f"x{pattern}y") for pattern in patterns]
        for task in tasks[:3]:
            await alice.write(task)
        plain = await alice.make_task(title="plain aaa")
        await alice.write(plain, note="aaa")
        for pattern in patterns:
            titles = {task["title"] for task in (await alice.list(q=pattern))["items"]}
            assert titles == {f"x{other}y" for other in patterns if pattern in other}, pattern
            entries = (await alice.get("/time-entries", params={"q": pattern})).json()["items"]
            assert {entry["task_id"] for entry in entries} == {
                task["id"] for task in tasks[:3] if pattern in task["title"]
            }, pattern

    async def test_search_time_is_linear_and_its_length_limited(self, alice: Client) -> None:
        """With catastrophic backtracking this test would not end."""
        task = await alice.make_task(title="a" * 200, description="a" * 20_000)
        await alice.write(task, note="a" * 5_000)
        for path in ("/tasks", "/time-entries"):
            for pattern in ("(a+)+$", "(a*)*b", "(a|aa)+$", "(.*.*.*.*)*x", "\\" * 199, "a" * 199 + "b", "[" * 200):
                response = await alice.get(path, params={"q": pattern})
                assert response.json()["items"] == [], pattern
            for pattern in ("x" * 201, "x" * 10_000, "\\" * 10_000):
                assert parameters(await alice.get(path, params={"q": pattern})) == {"q"}


def compiled_patterns() -> dict[re.Pattern[Any], str]:
    """Return every compiled pattern of the service, with its name."""
    patterns = {}
    for package in (app_package, documents, services, routes):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    patterns[value] = f"{module.name}.{name}"
    return patterns


PARTIAL_MATCHES = [
    "1",
    "12:",
    "0 ",
    "1h ",
    "1 m",
    ",000",
    "1.",
    " ",
    "_",
    "\t",
    "a",
    "ab",
    '"',
    '"x",',
    'W/"',
    "+00:00",
    "-11",
    "z",
    "pt1h",
]
"""Parts of texts that the patterns match. They are repeated, with another character at the end."""

TEXT_LENGTH = 5_000
"""Enough for catastrophic backtracking. A search for a pattern that is only matched as a whole may be quadratic."""


class TestPatternsOfTheService:
    def test_pattern_matches_in_linear_time(self) -> None:
        """With catastrophic backtracking this test would not end."""
        patterns = compiled_patterns()
        assert len(patterns) >= 15
        for pattern in patterns:
            for part in PARTIAL_MATCHES:
                text = part * (TEXT_LENGTH // len(part))
                for whole in (text, text + "\0"):
                    tried = whole.encode() if isinstance(pattern.pattern, bytes) else whole
                    repeats = set("+*") & set(str(pattern.pattern))
                    assert pattern.fullmatch(tried) is None or repeats
                    pattern.search(tried)

    async def test_long_text_in_a_body_is_handled(self, app: FastAPI, alice: Client) -> None:
        resources = await Resources.create(alice)
        for operation_id, method, path, shape in json_bodies(app):
            for field, schema in shape["properties"].items():
                if (
                    "string" not in str(schema)
                    or operation_id == "stop_timer"
                    or schema.get("type") in {"array", "object"}
                ):
                    continue
                raw = '"' + "1:" * 400_000 + '"'
                response = await alice.request(
                    method, path.format(**resources.ids), content=resources.body(operation_id, field, raw), headers=JSON
                )
                assert response.status_code in {404, 422}, (operation_id, field)

    async def test_long_text_in_a_csv_cell_is_handled(self, alice: Client) -> None:
        columns = ["Start", "End", "Duration", "Task", "Tags", "Billable", "Rate", "Currency", "Timezone"]
        good = ["2026-11-02 09:00", "2026-11-02 10:00", "1:00", "x", "x", "yes", "1", "EUR", "UTC"]
        rows = [",".join(columns)]
        for place in range(len(columns)):
            rows += [",".join([*good[:place], part * 40_000, *good[place + 1 :]]) for part in ("1:", "1 ", "1.", "0-")]
        content = "\n".join(rows).encode()
        form = {"format": "csv", "timezone": "UTC", "dry_run": "true"}
        response = await alice.post("/imports", data=form, files={"file": ("x.csv", content)})
        assert response.status_code == 200, response.text
        assert {error["column"] for error in response.json()["errors"]} >= {"Start", "End", "Timezone"}

    async def test_long_header_is_handled(self, alice: Client) -> None:
        address = f"/tasks/{(await alice.make_task())['id']}"
        for part in ('"', '",', 'W/"', '"a"', '"a" ', ",", " ,", "W/", "a"):
            value = (part * (50_000 // len(part))).strip()
            response = await alice.patch(address, json={"title": "x"}, headers={"If-Match": value + "x"})
            assert response.status_code in {412, 422}
            response = await alice.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": value})
            problem(response, 422, "invalid_request")
            assert len((await alice.get(address, headers={"X-Request-ID": value})).headers["x-request-id"]) == 32
