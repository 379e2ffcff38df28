"""Parts of the OpenAPI document: operations, schemas, examples."""

from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.support.http import Json

METHODS = {"get", "post", "put", "patch", "delete"}


DATA = {"example", "examples", "default", "const", "enum"}
"""What stands below these words are values, not schemas."""


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


def contents(answer: Json) -> Json:
    found: Json = answer.get("content", {})
    return found


def validator(document: Json, schema: Json) -> OAS31Validator:
    whole = {**schema, "components": document["components"]}
    return OAS31Validator(whole, format_checker=oas31_format_checker)


def examples_of(document: Json, content: Json) -> list[Any]:
    """The examples beside a schema, or in the schema that it refers to."""
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found: list[Any] = schema.get("examples", [])
    return found


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
