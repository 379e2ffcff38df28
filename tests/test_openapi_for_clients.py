"""The OpenAPI document as a generator of clients reads it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from app.scopes import SCOPES
from tests.support import Json
from tests.test_openapi_contract import operations

DATA = {"example", "examples", "default", "const", "enum"}
"""What stands below these words are values, not schemas."""


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    shown: Json = json.loads(json.dumps(app.openapi()))
    return shown


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, Json]]:
    """Every object of the document that is no example, with its place."""
    if isinstance(node, dict):
        yield path, node
        for name, below in node.items():
            if name not in DATA or path.endswith("/properties"):
                yield from nodes(below, f"{path}/{name}")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from nodes(below, f"{path}/{index}")


def schemas(document: Json) -> Iterator[tuple[str, Json]]:
    """Every schema of the document, with its place."""
    words = {"type", "anyOf", "allOf", "oneOf", "enum", "const", "$ref", "default"}
    for path, node in nodes(document):
        if node.keys() & words and not path.endswith("/properties"):
            yield path, node


class TestASchema:
    def test_has_no_default_of_null(self, document: Json) -> None:
        assert [path for path, schema in schemas(document) if schema.get("default", ...) is None] == []

    def test_of_a_choice_has_a_name(self, document: Json) -> None:
        inline = [path for path, schema in schemas(document) if "enum" in schema]
        assert all(re.fullmatch(r"#/components/schemas/\w+", path) for path in inline), inline

    def test_of_a_choice_stands_there_once(self, document: Json) -> None:
        named = document["components"]["schemas"]
        values = Counter(tuple(schema["enum"]) for schema in named.values() if "enum" in schema)
        assert set(values.values()) == {1}
        assert {"OverlapPolicy", "TaskStatus", "Scope", "ImportFormat", "RoundingScope"} <= named.keys()

    def test_of_a_body_has_no_default_that_would_make_a_field_required(self, document: Json) -> None:
        bodies = [
            path
            for path, schema in schemas(document)
            if path.startswith("#/components/schemas/") and "default" in schema
        ]
        assert bodies == []

    def test_of_an_object_has_a_name(self, document: Json) -> None:
        inline = [
            path
            for path, schema in schemas(document)
            if "properties" in schema and not re.fullmatch(r"#/components/schemas/\w+", path)
        ]
        assert inline == []

    def test_is_called_what_it_is(self, document: Json) -> None:
        for name, schema in document["components"]["schemas"].items():
            assert re.fullmatch(r"([A-Z][a-z]+)+", name), name
            assert schema.get("title", name) == name

    def test_shows_examples_that_are_valid(self, document: Json) -> None:
        shown = 0
        for _, schema in schemas(document):
            whole = {**schema, "components": document["components"]}
            for example in schema.get("examples", ()):
                OAS31Validator(whole, format_checker=oas31_format_checker).validate(example)
                shown += 1
        assert shown > 50


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


class TestSecurity:
    def test_offers_a_password_or_a_token(self, document: Json) -> None:
        schemes = document["components"]["securitySchemes"]
        assert schemes.keys() == {"Password", "Bearer"}
        assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
        assert schemes["Password"]["flows"]["password"]["scopes"] == SCOPES

    def test_takes_a_token_wherever_one_of_its_scopes_is_enough(self, document: Json) -> None:
        refused = {"users", "auth"}
        for path, method, operation in operations(document):
            place, (tag,), asked = f"{method} {path}", operation["tags"], operation["security"]
            if not asked:
                continue
            if tag in refused:
                assert asked == [{"Password": []}], place
            else:
                *sessions, token = asked
                assert token == {"Bearer": []}, place
                scopes = [scope for scheme in sessions for scope in scheme["Password"]]
                assert len(scopes) == len(sessions) >= 1, place


class TestTheWhole:
    def test_says_where_it_is_served_and_on_what_terms(self, document: Json) -> None:
        assert document["servers"] == [{"url": "/"}]
        assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
        assert document["info"]["description"]

    def test_describes_each_tag_that_it_uses(self, document: Json) -> None:
        used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
        assert {tag["name"] for tag in document["tags"]} == used
        assert all(tag["description"] for tag in document["tags"])

    def test_describes_each_header_that_it_uses(self, document: Json) -> None:
        used = {
            reference["$ref"]
            for _, _, operation in operations(document)
            for answer in operation["responses"].values()
            for reference in answer["headers"].values()
        }
        headers = document["components"]["headers"]
        assert used == {f"#/components/headers/{name}" for name in headers}
        assert all(header["description"] and header["schema"] for header in headers.values())

    def test_tells_what_to_wait_for(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status in operation["responses"].keys() & {"429", "503"}:
                assert "Retry-After" in operation["responses"][status]["headers"], f"{method} {path} {status}"
