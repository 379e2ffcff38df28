"""What the database itself refuses, in a mongo shell too: a $jsonSchema, made from the fields of a document."""

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

SCHEMA_VERSION = 2
"""One more with every release that changes a stored field: a service of an earlier one leaves the validators alone."""

_BSON_TYPES: dict[type, list[str]] = {
    ObjectId: ["objectId"],
    str: ["string"],
    bool: ["bool"],  # before int, which Python makes it a kind of
    int: ["int", "long"],
    float: ["double"],
    datetime: ["date"],
    bytes: ["binData"],
    dict: ["object"],
    NoneType: ["null"],
}
_NAMES: dict[type, str] = {
    Int64: "long",
    list: "array",
    **{kind: names[0] for kind, names in _BSON_TYPES.items()},
}
_MAX_SHOWN_LENGTH = 60
_LIMITS = {"ge": "minimum", "le": "maximum"}
_LIMITS_OF_A_TEXT = _LIMITS | {"min_length": "minLength", "max_length": "maxLength"}
_LIMITS_OF_A_LIST = _LIMITS | {"min_length": "minItems", "max_length": "maxItems"}


def schema_of(model: type[BaseModel]) -> Row:
    """The $jsonSchema of what the model stores: each field of its type, none missing, none unknown.

    A field that is None unless it is given is absent then; it is never null.
    """
    stored = {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}
    return {
        "bsonType": ["object"],
        "required": [name for name, field in stored.items() if not _may_be_absent(field)],
        "properties": {name: _field(field) for name, field in stored.items()},
        "additionalProperties": False,
    }


def _may_be_absent(field: FieldInfo) -> bool:
    return not field.is_required() and field.get_default() is None


def _field(field: FieldInfo) -> Row:
    schema = _type(field.annotation)
    if _may_be_absent(field):
        schema = _without_null(schema)
    return schema | _limits(field.metadata, schema)


def _type(annotation: Any) -> Row:
    """The schema of a type. Raises TypeError for one that there is no rule for yet."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, TypeAliasType):
        return _type(annotation.__value__)
    if origin is Annotated:
        schema = _type(parts[0])
        return schema | _limits(parts[1:], schema)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in {Union, UnionType} and len(parts) == len((Any, None)) and NoneType in parts:
        return _with_null(_type(next(part for part in parts if part is not NoneType)))
    if origin is list:
        return {"bsonType": ["array"], "items": _type(parts[0])}
    return _plain(origin or annotation)


def _plain(annotation: Any) -> Row:
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


def _limits(marks: Iterable[Any], schema: Row) -> Row:
    """The bounds that stand beside a type, in the words of $jsonSchema. Raises TypeError for another mark."""
    words = _LIMITS_OF_A_LIST if "items" in schema else _LIMITS_OF_A_TEXT
    limits: Row = {}
    for mark in marks:
        if isinstance(mark, FieldInfo):
            limits |= _limits(mark.metadata, schema)
            continue
        for name, bound in asdict(mark).items():
            if name not in words:
                raise TypeError(f"no validator is known for {mark}")
            limits[words[name]] = bound
    return limits


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """What the validator refuses about a document: where, as a mongo shell writes it, and why."""

    at: str
    says: str


def schema_violations(schema: Row, value: Any, at: str = "") -> Iterator[SchemaViolation]:
    """What the database would refuse about a value of this schema, so that it can be said in words."""
    if "enum" in schema and value not in schema["enum"]:
        yield SchemaViolation(
            at, f"is {format_value(value)}, not one of {', '.join(map(format_value, schema['enum']))}"
        )
    name = _bson_type(value)
    if name not in schema.get("bsonType", [name]):
        yield SchemaViolation(at, f"is of the type {name}, not {' or '.join(schema['bsonType'])}")
        return
    yield from (SchemaViolation(at, says) for says in _out_of_bounds(schema, value))
    if isinstance(value, dict) and "properties" in schema:
        yield from _mistaken_fields(schema, value, f"{at}." if at else "")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from schema_violations(schema["items"], item, f"{at}.{number}")


def format_value(value: Any) -> str:
    """A value as a line of text can hold it."""
    if isinstance(value, datetime):
        return rfc3339(value)
    text = str(value) if isinstance(value, ObjectId) else repr(value)
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}..."


def _bson_type(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def _mistaken_fields(schema: Row, value: Row, before: str) -> Iterator[SchemaViolation]:
    for field in schema["required"]:
        if field not in value:
            yield SchemaViolation(before + field, "is missing")
    for field, inner in value.items():
        if field in schema["properties"]:
            yield from schema_violations(schema["properties"][field], inner, before + field)
        else:
            yield SchemaViolation(before + format_value(field), "is not a field that there is")


def _out_of_bounds(schema: Row, value: Any) -> Iterator[str]:
    measure = len(value) if isinstance(value, str | list) else value
    if not isinstance(measure, int | float):
        return
    least = [schema[word] for word in ("minimum", "minLength", "minItems") if word in schema]
    most = [schema[word] for word in ("maximum", "maxLength", "maxItems") if word in schema]
    what = "is" if measure is value else "has the length"
    if least and measure < max(least):
        yield f"{what} {measure}, less than {max(least)}"
    if most and measure > min(most):
        yield f"{what} {measure}, more than {min(most)}"
