"""Each operation of the OpenAPI document: names, texts, parameters, responses, examples."""

import json

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.contract.openapi.document import contents, examples_of, operations, validator
from tests.support.http import API, Json

PROBLEM = "application/problem+json"

FORMATS = ("csv", "xlsx", "ndjson", "ics")


REQUIRED_PARAMETERS = {
    "report_summary": {"from", "to"},
    "report_summaries": {"from", "to", "group_by"},
    **{f"export_time_entries_as_{form}": {"from", "to"} for form in FORMATS},
}
"""The required query parameters by operation id."""


class TestOperations:
    def test_operation_id_is_the_name_of_the_function(self, app: FastAPI, document: Json) -> None:
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

    def test_operation_has_summary_description_and_tag(self, document: Json) -> None:
        for path, method, operation in operations(document):
            place = f"{method} {path}"
            assert operation["summary"], place
            assert not operation["summary"].endswith("."), place
            assert operation["description"], place
            assert len(operation["tags"]) == 1, place
        summaries = [operation["summary"] for _, _, operation in operations(document)]
        assert len(summaries) == len(set(summaries))

    def test_request_body_has_valid_examples(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                examples = examples_of(document, content)
                assert examples, f"{method} {path}"
                for example in examples:
                    validator(document, content["schema"]).validate(example)

    def test_responses_have_valid_examples(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status, response in operation["responses"].items():
                for content in contents(response).values():
                    examples = examples_of(document, content)
                    assert examples, f"{method} {path} {status}"
                    for example in examples:
                        validator(document, content["schema"]).validate(example)

    def test_errors_are_problem_documents(self, document: Json) -> None:
        for path, method, operation in operations(document):
            uses_database = path not in {"/health", "/health/live", f"{API}/config"}
            assert "422" in operation["responses"], f"{method} {path}"
            assert ("503" in operation["responses"]) is uses_database, f"{method} {path}"
            for status, response in operation["responses"].items():
                place = f"{method} {path} {status}"
                assert response["description"] not in {"", "Successful Response"}, place
                if status >= "400":
                    assert response["content"].keys() == {PROBLEM}, place
                    media_type = response["content"][PROBLEM]
                    assert media_type["schema"] == {"$ref": "#/components/schemas/Problem"}, place
                    for code, example in media_type["examples"].items():
                        assert (example["value"]["code"], str(example["value"]["status"])) == (code, status), place
                        assert "on the server" not in example["value"]["detail"], place
                elif status in {"204", "304"}:
                    assert "content" not in response, place
                else:
                    is_text = operation["operationId"].startswith(("export_", "get_calendar", "stream_events"))
                    assert len(response["content"]) == 1, place
                    assert is_text or response["content"].keys() == {"application/json"}, place

    def test_operations_without_security_are_public(self, document: Json) -> None:
        named = {operation["operationId"] for _, _, operation in operations(document) if not operation["security"]}
        assert named == {
            "health",
            "health_live",
            "health_ready",
            "get_config",
            "register",
            "sign_in",
            "refresh_session",
            "get_calendar",
            "read_shared_report",
        }
        for _, _, operation in operations(document):
            assert bool(operation["security"]) <= ("401" in operation["responses"])

    def test_every_parameter_has_a_description(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] in {"path", "query", "header", "cookie"}
                place = f"{method} {path} {parameter['name']}"
                assert parameter["description"], place
                required = parameter["in"] == "path" or parameter["name"] in REQUIRED_PARAMETERS.get(
                    operation["operationId"], ()
                )
                assert parameter.get("required", False) == required, place


class TestParameters:
    def test_parameter_is_not_nullable(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert "null" not in json.dumps(parameter["schema"]), f"{method} {path} {parameter['name']}"


class TestFiles:
    def test_text_is_a_string_without_format(self, document: Json) -> None:
        texts = {}
        for _, _, operation in operations(document):
            for response in operation["responses"].values():
                for media_type, content in response.get("content", {}).items():
                    if media_type.startswith("text/"):
                        texts[media_type] = content["schema"]
        assert texts.keys() == {"text/csv", "text/calendar", "text/event-stream"}
        assert all(schema["type"] == "string" and "format" not in schema for schema in texts.values())
