"""The whole OpenAPI document: validity, the committed copy, security, tags, headers."""

import json
import subprocess
import sys
from pathlib import Path

from openapi_spec_validator import validate

from app.security.scopes import SCOPES
from tests.contract.openapi.document import operations
from tests.paths import ROOT
from tests.support.http import Json


class TestTheDocument:
    def test_is_the_one_that_is_committed(self, document: Json) -> None:
        committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
        assert committed == document, "it has changed: task-timer openapi > openapi.json"

    def test_is_what_the_command_prints(self, document: Json, tmp_path: Path) -> None:
        command = [sys.executable, "-c", "from app.commands.cli import main; main()", "openapi"]
        printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        assert json.loads(printed) == document

    def test_is_valid(self, document: Json) -> None:
        validate(document)

    def test_says_where_a_token_comes_from(self, document: Json) -> None:
        scheme = document["components"]["securitySchemes"]["Password"]
        assert scheme["type"] == "oauth2"
        token_url = scheme["flows"]["password"]["tokenUrl"]
        assert document["paths"][token_url]["post"]["operationId"] == "sign_in"
        (media_type,) = document["paths"][token_url]["post"]["requestBody"]["content"]
        assert media_type == "application/x-www-form-urlencoded"

    def test_refers_to_nothing_that_is_missing_and_defines_nothing_in_vain(self, document: Json) -> None:
        named = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
        assert named == document["components"]["schemas"].keys()


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
