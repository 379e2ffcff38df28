"""The whole OpenAPI document: validity, the committed copy, security, tags, headers."""

import json
import subprocess
import sys
from pathlib import Path

from fastapi.routing import iter_route_contexts
from openapi_spec_validator import validate

from app.config import Settings
from app.main import create_app
from app.security.scopes import SCOPES
from tests.contract.openapi.document import operations
from tests.paths import ROOT
from tests.support.http import Json


class TestDocument:
    def test_committed_document_is_up_to_date(self, document: Json) -> None:
        committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
        assert committed == document, "openapi.json is out of date: run task-timer openapi > openapi.json"

    def test_openapi_command_prints_it(self, document: Json, tmp_path: Path) -> None:
        command = [sys.executable, "-c", "from app.commands.cli import main; main()", "openapi"]
        printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        assert json.loads(printed) == document

    def test_document_is_valid(self, document: Json) -> None:
        validate(document)

    def test_token_url_is_the_sign_in_operation(self, document: Json) -> None:
        scheme = document["components"]["securitySchemes"]["Password"]
        assert scheme["type"] == "oauth2"
        token_url = scheme["flows"]["password"]["tokenUrl"]
        assert document["paths"][token_url]["post"]["operationId"] == "sign_in"
        (media_type,) = document["paths"][token_url]["post"]["requestBody"]["content"]
        assert media_type == "application/x-www-form-urlencoded"

    def test_every_schema_is_defined_and_used(self, document: Json) -> None:
        references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
        assert references == document["components"]["schemas"].keys()


class TestSchemasOfResponses:
    def test_they_are_built_for_the_document_only(self, settings: Settings) -> None:
        """A service that is started builds none of them."""
        routes = iter_route_contexts(create_app(settings).routes)
        fields = [field for route in routes if (field := getattr(route, "response_field", None)) is not None]
        assert len(fields) > 40
        assert not any(field._type_adapter.pydantic_complete for field in fields)


class TestSecurity:
    def test_schemes_are_password_and_bearer(self, document: Json) -> None:
        schemes = document["components"]["securitySchemes"]
        assert schemes.keys() == {"Password", "Bearer"}
        assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
        assert schemes["Password"]["flows"]["password"]["scopes"] == SCOPES

    def test_operations_with_scopes_accept_api_tokens(self, document: Json) -> None:
        session_only_tags = {"users", "auth", "sharing", "webhooks"}
        for path, method, operation in operations(document):
            place, (tag,), security = f"{method} {path}", operation["tags"], operation["security"]
            if not security:
                continue
            if tag in session_only_tags:
                assert security == [{"Password": []}], place
            else:
                *sessions, token = security
                assert token == {"Bearer": []}, place
                scopes = [scope for scheme in sessions for scope in scheme["Password"]]
                assert len(scopes) == len(sessions) >= 1, place


class TestMetadata:
    def test_document_has_server_license_and_description(self, document: Json) -> None:
        assert document["servers"] == [{"url": "/"}]
        assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
        assert document["info"]["description"]

    def test_every_used_tag_has_a_description(self, document: Json) -> None:
        used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
        assert {tag["name"] for tag in document["tags"]} == used
        assert all(tag["description"] for tag in document["tags"])

    def test_every_used_header_has_a_description(self, document: Json) -> None:
        used = {
            reference["$ref"]
            for _, _, operation in operations(document)
            for response in operation["responses"].values()
            for reference in response["headers"].values()
        }
        headers = document["components"]["headers"]
        assert used == {f"#/components/headers/{name}" for name in headers}
        assert all(header["description"] and header["schema"] for header in headers.values())

    def test_429_and_503_have_retry_after(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status in operation["responses"].keys() & {"429", "503"}:
                assert "Retry-After" in operation["responses"][status]["headers"], f"{method} {path} {status}"
