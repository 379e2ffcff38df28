"""The $jsonSchema validators, generated from the fields of the document classes.

The database enforces them for every client, including a mongo shell.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from bson import Int64, ObjectId
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from app.clock import rfc3339
from documents.common.base import Row

SCHEMA_VERSION = 5
"""Increase it with every release that changes a stored field. An older release does not replace newer validators."""

MIN_WRITER = 3
"""The lowest SCHEMA_VERSION of a service that may use a database after this one: see app/database/min_writer.py.

Set it to SCHEMA_VERSION with a release that stores data where an earlier one does not read it. Version 3 stores entries
in task_pages.
"""

_BSON_TYPES: dict[type, list[str]] = {
    ObjectId: ["objectId"],
    str: ["string"],
    bool: ["bool"],  # before int, because bool is a subclass of int
    int: ["int", "long"],
    float: ["double"],
    datetime: ["date"],
    bytes: ["binData"],
    dict: ["object"],
    NoneType: ["null"],
}
_TYPE_NAMES: dict[type, str] = {
    Int64: "long",
    list: "array",
    **{kind: names[0] for kind, names in _BSON_TYPES.items()},
}
_MAX_VALUE_LENGTH = 60
_LIMITS = {"ge": "minimum", "le": "maximum"}
_STRING_LIMITS = _LIMITS | {"min_length": "minLength", "max_length": "maxLength"}
_LIST_LIMITS = _LIMITS | {"min_length": "minItems", "max_length": "maxItems"}


def schema_of(model: type[BaseModel]) -> Row:
    """Return the $jsonSchema of the documents that a model stores.

    It requires every field, with its type, and allows no others. A field with the default None is optional
    and never null.
    """
    stored = {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}
    return {
        "bsonType": ["object"],
        "required": [name for name, field in stored.items() if not _is_optional(field)],
        "properties": {name: _field_schema(field) for name, field in stored.items()},
        "additionalProperties": False,
    }


def _is_optional(field: FieldInfo) -> bool:
    return not field.is_required() and field.get_default() is None


def _field_schema(field: FieldInfo) -> Row:
    schema = _type_schema(field.annotation)
    if _is_optional(field):
        schema = _without_null(schema)
    return schema | _limits(field.metadata, schema)


def _type_schema(annotation: Any) -> Row:
    """Return the schema of a type. Raises TypeError for a type that is not supported yet."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, TypeAliasType):
        return _type_schema(annotation.__value__)
    if origin is Annotated:
        schema = _type_schema(parts[0])
        return schema | _limits(parts[1:], schema)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in {Union, UnionType} and len(parts) == len((Any, None)) and NoneType in parts:
        return _with_null(_type_schema(next(part for part in parts if part is not NoneType)))
    if origin is list:
        return {"bsonType": ["array"], "items": _type_schema(parts[0])}
    return _plain_schema(origin or annotation)


def _plain_schema(annotation: Any) -> Row:
    if annotation is Any:
        return {}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return schema_of(annotation)
    for kind, names in _BSON_TYPES.items():
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return {"bsonType": names}
    raise TypeError(f"no validator is known for {annotation}")


def _with_null(schema: Row) -> Row:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "bsonType": [*schema["bsonType"], "null"]}


def _without_null(schema: Row) -> Row:
    if "enum" in schema:
        return {**schema, "enum": [value for value in schema["enum"] if value is not None]}
    return {**schema, "bsonType": [name for name in schema["bsonType"] if name != "null"]}


def _limits(metadata: Iterable[Any], schema: Row) -> Row:
    """Return the limits in the metadata of a type as $jsonSchema keywords. Raises TypeError for other metadata."""
    keywords = _LIST_LIMITS if "items" in schema else _STRING_LIMITS
    limits: Row = {}
    for constraint in metadata:
        if isinstance(constraint, FieldInfo):
            limits |= _limits(constraint.metadata, schema)
            continue
        for name, bound in asdict(constraint).items():
            if name not in keywords:
                raise TypeError(f"no validator is known for {constraint}")
            limits[keywords[name]] = bound
    return limits


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """A violation of a schema: the path of the value in dot notation, and what is wrong."""

    path: str
    message: str


def schema_violations(schema: Row, value: Any, path: str = "") -> Iterator[SchemaViolation]:
    """Yield what the validator of the database would reject about a value, in words."""
    if "enum" in schema and value not in schema["enum"]:
        yield SchemaViolation(
            path, f"is {format_value(value)}, not one of {', '.join(map(format_value, schema['enum']))}"
        )
    name = _bson_type(value)
    if name not in schema.get("bsonType", [name]):
        yield SchemaViolation(path, f"is of the type {name}, not {' or '.join(schema['bsonType'])}")
        return
    yield from (SchemaViolation(path, message) for message in _limit_violations(schema, value))
    if isinstance(value, dict) and "properties" in schema:
        yield from _field_violations(schema, value, f"{path}." if path else "")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from schema_violations(schema["items"], item, f"{path}.{number}")


def format_value(value: Any) -> str:
    """Return a short text for a value, in one line."""
    if isinstance(value, datetime):
        return rfc3339(value)
    text = str(value) if isinstance(value, ObjectId) else repr(value)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}..."


def _bson_type(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _field_violations(schema: Row, value: Row, prefix: str) -> Iterator[SchemaViolation]:
    for field in schema["required"]:
        if field not in value:
            yield SchemaViolation(prefix + field, "is missing")
    for field, inner in value.items():
        if field in schema["properties"]:
            yield from schema_violations(schema["properties"][field], inner, prefix + field)
        else:
            yield SchemaViolation(prefix + format_value(field), "is not a known field")


def _limit_violations(schema: Row, value: Any) -> Iterator[str]:
    measure = len(value) if isinstance(value, str | list) else value
    if not isinstance(measure, int | float):
        return
    minimums = [schema[keyword] for keyword in ("minimum", "minLength", "minItems") if keyword in schema]
    maximums = [schema[keyword] for keyword in ("maximum", "maxLength", "maxItems") if keyword in schema]
    what = "is" if measure is value else "has the length"
    if minimums and measure < max(minimums):
        yield f"{what} {measure}, less than {max(minimums)}"
    if maximums and measure > min(maximums):
        yield f"{what} {measure}, more than {min(maximums)}"
