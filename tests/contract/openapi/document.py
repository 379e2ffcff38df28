"""Parts of the OpenAPI document: operations, schemas, examples."""

from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.support.http import Json

METHODS = {"get", "post", "put", "patch", "delete"}

VALUE_KEYWORDS = {"example", "examples", "default", "const", "enum"}
"""The values of these keywords are data, not schemas."""


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield path, method and operation object of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


def contents(response: Json) -> Json:
    """Return the media type objects of a response object."""
    content: Json = response.get("content", {})
    return content


def validator(document: Json, schema: Json) -> OAS31Validator:
    """Return a validator of the schema, which resolves references to the components of the document."""
    root = {**schema, "components": document["components"]}
    return OAS31Validator(root, format_checker=oas31_format_checker)


def examples_of(document: Json, content: Json) -> list[Any]:
    """Return the examples of a media type object, or of the schema that it refers to."""
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    examples: list[Any] = schema.get("examples", [])
    return examples


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, Json]]:
    """Yield every object of the document, examples excluded, with its path."""
    if isinstance(node, dict):
        yield path, node
        for name, child in node.items():
            if name not in VALUE_KEYWORDS or path.endswith("/properties"):
                yield from nodes(child, f"{path}/{name}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from nodes(child, f"{path}/{index}")


def schemas(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield every schema of the document, with its path."""
    keywords = {"type", "anyOf", "allOf", "oneOf", "enum", "const", "$ref", "default"}
    for path, node in nodes(document):
        if node.keys() & keywords and not path.endswith("/properties"):
            yield path, node
