"""JSON schemas of requests and responses for the OpenAPI document, in the form that suits client generators.

Titles of fields and defaults of null are left out: they add nothing. Generators treat a body field
with a default as required, so its default is added to its description instead. Parameters and form
fields are never nullable: they are either sent or not.
"""

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

REF = "#/components/schemas/{model}"

Schema = dict[str, Any]
NULL: Schema = {"type": "null"}


class _Generator(GenerateJsonSchema):
    """Omits titles of fields and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- the same for all fields
        """Return False."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Add the default to the schema unless it is null."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def body_schemas(model: type[BaseModel]) -> dict[str, Schema]:
    """Return the schemas of a body by name: the model's own and those that it refers to."""
    _, defined = models_json_schema([(model, "validation")], ref_template=REF, schema_generator=_Generator)
    schemas: dict[str, Schema] = defined["$defs"]
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            _move_default_to_description(field)
    return schemas


def form_schemas(model: type[BaseModel]) -> dict[str, Schema]:
    """Return the schemas of a form by name. Its fields are not nullable."""
    schemas = body_schemas(model)
    form = schemas[model.__name__]
    form["properties"] = {name: _without_null(field) for name, field in form["properties"].items()}
    return schemas


def response_schemas(response_type: Any) -> dict[str, Schema]:
    """Return the schemas of a response by name."""
    schema = TypeAdapter(response_type).json_schema(mode="serialization", ref_template=REF, schema_generator=_Generator)
    return {**schema.pop("$defs", {}), schema["title"]: schema}


def query_parameters(model: type[BaseModel]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return a query parameter for each field, and the schemas that they refer to."""
    schema = model.model_json_schema(ref_template=REF, schema_generator=_Generator)
    required = schema.get("required", ())
    parameters = [_parameter(name, field, required=name in required) for name, field in schema["properties"].items()]
    return parameters, schema.get("$defs", {})


def _parameter(name: str, field: Schema, *, required: bool) -> Schema:
    schema = _without_null(field)
    description = schema.pop("description", "")
    if schema.get("default") == []:
        del schema["default"]
    return {"name": name, "in": "query", "description": description, "required": required, "schema": schema}


def _without_null(field: Schema) -> Schema:
    choices = field.get("anyOf", [])
    if NULL not in choices:
        return field
    (choice,) = (choice for choice in choices if choice != NULL)
    return {**choice, **{keyword: value for keyword, value in field.items() if keyword != "anyOf"}}


def _move_default_to_description(field: Schema) -> None:
    default = field.pop("default", None)
    if default in (None, ""):
        return
    text = f"Default: {default if isinstance(default, str) else json.dumps(default)}."
    field["description"] = f"{field['description']} {text}" if "description" in field else text
