"""The schemas of the OpenAPI document."""

import re
from collections import Counter

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.contract.openapi.document import schemas
from tests.support.http import Json


class TestSchemas:
    def test_schema_has_no_default_of_null(self, document: Json) -> None:
        assert [path for path, schema in schemas(document) if schema.get("default", ...) is None] == []

    def test_enumeration_has_a_name(self, document: Json) -> None:
        inline = [path for path, schema in schemas(document) if "enum" in schema]
        assert all(re.fullmatch(r"#/components/schemas/\w+", path) for path in inline), inline

    def test_enumeration_is_defined_once(self, document: Json) -> None:
        named = document["components"]["schemas"]
        values = Counter(tuple(schema["enum"]) for schema in named.values() if "enum" in schema)
        assert set(values.values()) == {1}
        assert {"OverlapPolicy", "TaskStatus", "Scope", "ImportFormat", "RoundingScope"} <= named.keys()

    def test_component_has_no_default_that_generators_take_as_required(self, document: Json) -> None:
        bodies = [
            path
            for path, schema in schemas(document)
            if path.startswith("#/components/schemas/") and "default" in schema
        ]
        assert bodies == []

    def test_object_schema_has_a_name(self, document: Json) -> None:
        inline = [
            path
            for path, schema in schemas(document)
            if "properties" in schema and not re.fullmatch(r"#/components/schemas/\w+", path)
        ]
        assert inline == []

    def test_name_is_in_pascal_case_and_equals_the_title(self, document: Json) -> None:
        for name, schema in document["components"]["schemas"].items():
            assert re.fullmatch(r"([A-Z][a-z]+)+", name), name
            assert schema.get("title", name) == name

    def test_examples_are_valid(self, document: Json) -> None:
        count = 0
        for _, schema in schemas(document):
            whole = {**schema, "components": document["components"]}
            for example in schema.get("examples", ()):
                OAS31Validator(whole, format_checker=oas31_format_checker).validate(example)
                count += 1
        assert count > 50

    def test_example_of_a_change_shows_its_object_as_the_api_does(self, document: Json) -> None:
        (change,) = document["components"]["schemas"]["ChangeRead"]["examples"]
        schema = {**document["components"]["schemas"]["ProjectRead"], "components": document["components"]}
        OAS31Validator(schema, format_checker=oas31_format_checker).validate(change["data"])
