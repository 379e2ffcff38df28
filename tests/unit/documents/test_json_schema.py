from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from beanie import PydanticObjectId
from bson import DatetimeMS, Decimal128, Int64, ObjectId
from pydantic import BaseModel, Field

from documents.common.json_schema import schema_of, schema_violations


class Part(BaseModel):
    amount: Annotated[int, Field(ge=0, le=9)] | None


class Whole(BaseModel):
    id: PydanticObjectId
    name: Annotated[str, Field(min_length=1, max_length=3)]
    kind: Literal["a", "b"] | None
    parts: Annotated[list[Part], Field(max_length=2)]
    numbers: list[Annotated[int, Field(ge=1)]]
    seed: bytes
    answer: dict[str, Any]
    anything: Any
    limit: int = Field(default=3, ge=1)
    gone: datetime | None = None
    mark: Literal["x"] | None = None
    left_out: date | None = Field(default=None, exclude=True)


class TestSchemaOf:
    def test_schema_has_the_types_and_limits_of_the_model(self) -> None:
        part = {
            "bsonType": ["object"],
            "required": ["amount"],
            "properties": {"amount": {"bsonType": ["int", "long", "null"], "minimum": 0, "maximum": 9}},
            "additionalProperties": False,
        }
        schema = schema_of(Whole)
        assert schema.pop("properties") == {
            "id": {"bsonType": ["objectId"]},
            "name": {"bsonType": ["string"], "minLength": 1, "maxLength": 3},
            "kind": {"enum": ["a", "b", None]},
            "parts": {"bsonType": ["array"], "items": part, "maxItems": 2},
            "numbers": {"bsonType": ["array"], "items": {"bsonType": ["int", "long"], "minimum": 1}},
            "seed": {"bsonType": ["binData"]},
            "answer": {"bsonType": ["object"]},
            "anything": {},
            "limit": {"bsonType": ["int", "long"], "minimum": 1},
            "gone": {"bsonType": ["date"]},
            "mark": {"enum": ["x"]},
        }
        assert schema == {
            "bsonType": ["object"],
            "required": ["id", "name", "kind", "parts", "numbers", "seed", "answer", "anything", "limit"],
            "additionalProperties": False,
        }

    @pytest.mark.parametrize("annotation", [date, int | str, set[int], Annotated[int, Field(gt=0)]])
    def test_unsupported_type_is_a_type_error(self, annotation: Any) -> None:
        model = type("Odd", (BaseModel,), {"__annotations__": {"odd": annotation}})
        with pytest.raises(TypeError, match="no validator is known"):
            schema_of(model)


VALID: dict[str, Any] = {
    "id": ObjectId("6920a3f1c2d4e5f607182930"),
    "name": "abc",
    "kind": None,
    "parts": [{"amount": None}, {"amount": 9}],
    "numbers": [1, Int64(2**40)],
    "seed": b"",
    "answer": {"any": 1},
    "anything": 1.5,
    "limit": 3,
}


class TestSchemaViolations:
    def test_valid_document_has_no_violations(self) -> None:
        whole = VALID | {"gone": datetime(2026, 11, 18), "mark": "x"}  # noqa: DTZ001 -- as the driver decodes it
        assert (
            list(schema_violations(schema_of(Whole), VALID)) == list(schema_violations(schema_of(Whole), whole)) == []
        )

    @pytest.mark.parametrize(
        ("fields", "path", "message"),
        [
            ({"id": "6920"}, "id", "is of the type string, not objectId"),
            ({"name": ""}, "name", "has the length 0, less than 1"),
            ({"name": "abcd"}, "name", "has the length 4, more than 3"),
            ({"kind": "c"}, "kind", "is 'c', not one of 'a', 'b', None"),
            ({"kind": "c" * 99}, "kind", f"is '{'c' * 59}..., not one of 'a', 'b', None"),
            ({"parts": [{"amount": 1}] * 3}, "parts", "has the length 3, more than 2"),
            ({"parts": [{"amount": 1}, {"amount": -1}]}, "parts.1.amount", "is -1, less than 0"),
            ({"parts": [{"amount": 10}]}, "parts.0.amount", "is 10, more than 9"),
            ({"parts": [{"amount": 1.0}]}, "parts.0.amount", "is of the type double, not int or long or null"),
            (
                {"parts": [{"amount": Decimal128("1")}]},
                "parts.0.amount",
                "is of the type Decimal128, not int or long or null",
            ),
            ({"parts": [{}]}, "parts.0.amount", "is missing"),
            ({"parts": [{"amount": 1, "count": 1}]}, "parts.0.'count'", "is not a known field"),
            ({"parts": [7]}, "parts.0", "is of the type int, not object"),
            ({"numbers": [True]}, "numbers.0", "is of the type bool, not int or long"),
            ({"gone": None}, "gone", "is of the type null, not date"),
            ({"gone": DatetimeMS(2**60)}, "gone", "is of the type DatetimeMS, not date"),
            ({"mark": None}, "mark", "is None, not one of 'x'"),
            ({"left_out": None}, "'left_out'", "is not a known field"),
        ],
    )
    def test_violation_has_its_path_and_message(self, fields: dict[str, Any], path: str, message: str) -> None:
        (violation,) = schema_violations(schema_of(Whole), VALID | fields)
        assert (violation.path, violation.message) == (path, message)

    def test_list_that_is_too_short_is_a_violation(self) -> None:
        class Tagged(BaseModel):
            tags: Annotated[list[str], Field(min_length=2)]

        (violation,) = schema_violations(schema_of(Tagged), {"tags": ["a"]})
        assert (violation.path, violation.message) == ("tags", "has the length 1, less than 2")
        assert not [*schema_violations(schema_of(Tagged), {"tags": ["a", "b"]})]
