"""Each operation of the OpenAPI document: names, texts, parameters, responses, examples."""

import json

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.contract.openapi.document import contents, examples_of, operations, validator
from tests.support.http import API, Json

PROBLEM = "application/problem+json"


FORMATS = ("csv", "xlsx", "ndjson", "ics")


NEEDED = {
    "report_summary": {"from", "to"},
    **{f"export_time_entries_as_{form}": {"from", "to"} for form in FORMATS},
}
"""The query parameters that have no default."""


class TestAnOperation:
    def test_is_named_after_its_function(self, app: FastAPI, document: Json) -> None:
        named = {
            (route.path, method.lower()): route.endpoint.__name__
            for route in iter_route_contexts(app.routes)
            for method in route.methods or ()
            if route.endpoint
        }
        ids = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(ids) == len(set(ids)) >= 16
        for path, method, operation in operations(document):
            assert operation["operationId"] == named[path, method]

    def test_has_a_summary_a_description_and_a_tag(self, document: Json) -> None:
        for path, method, operation in operations(document):
            place = f"{method} {path}"
            assert operation["summary"], place
            assert not operation["summary"].endswith("."), place
            assert operation["description"], place
            assert len(operation["tags"]) == 1, place
        summaries = [operation["summary"] for _, _, operation in operations(document)]
        assert len(summaries) == len(set(summaries))

    def test_shows_valid_examples_of_what_it_takes(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                found = examples_of(document, content)
                assert found, f"{method} {path}"
                for example in found:
                    validator(document, content["schema"]).validate(example)

    def test_shows_valid_examples_of_what_it_answers(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status, answer in operation["responses"].items():
                for content in contents(answer).values():
                    found = examples_of(document, content)
                    assert found, f"{method} {path} {status}"
                    for example in found:
                        validator(document, content["schema"]).validate(example)

    def test_answers_errors_as_problems_alone(self, document: Json) -> None:
        for path, method, operation in operations(document):
            needs_the_database = path not in {"/health", "/health/live", f"{API}/config"}
            assert "422" in operation["responses"], f"{method} {path}"
            assert ("503" in operation["responses"]) is needs_the_database, f"{method} {path}"
            for status, answer in operation["responses"].items():
                place = f"{method} {path} {status}"
                assert answer["description"] not in {"", "Successful Response"}, place
                if status >= "400":
                    assert answer["content"].keys() == {PROBLEM}, place
                    shown = answer["content"][PROBLEM]
                    assert shown["schema"] == {"$ref": "#/components/schemas/Problem"}, place
                    for code, example in shown["examples"].items():
                        assert (example["value"]["code"], str(example["value"]["status"])) == (code, status), place
                        assert "on the server" not in example["value"]["detail"], place
                elif status in {"204", "304"}:
                    assert "content" not in answer, place
                else:
                    is_file = operation["operationId"].startswith("export_")
                    assert len(answer["content"]) == 1, place
                    assert is_file or answer["content"].keys() == {"application/json"}, place

    def test_asks_for_a_token_unless_it_is_open_to_all(self, document: Json) -> None:
        named = {operation["operationId"] for _, _, operation in operations(document) if not operation["security"]}
        assert named == {
            "health",
            "health_live",
            "health_ready",
            "get_config",
            "register",
            "sign_in",
            "refresh_session",
        }
        for _, _, operation in operations(document):
            assert bool(operation["security"]) <= ("401" in operation["responses"])

    def test_describes_each_parameter(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] in {"path", "query", "header"}
                place = f"{method} {path} {parameter['name']}"
                assert parameter["description"], place
                needed = parameter["in"] == "path" or parameter["name"] in NEEDED.get(operation["operationId"], ())
                assert parameter.get("required", False) == needed, place


class TestAParameter:
    def test_is_never_null(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert "null" not in json.dumps(parameter["schema"]), f"{method} {path} {parameter['name']}"


class TestAFile:
    def test_is_a_plain_text_where_its_media_type_is_one(self, document: Json) -> None:
        texts = {}
        for _, _, operation in operations(document):
            for answer in operation["responses"].values():
                for media_type, content in answer.get("content", {}).items():
                    if media_type.startswith("text/"):
                        texts[media_type] = content["schema"]
        assert texts.keys() == {"text/csv", "text/calendar"}
        assert all(schema["type"] == "string" and "format" not in schema for schema in texts.values())
