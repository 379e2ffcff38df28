from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from beanie import PydanticObjectId
from pydantic import BaseModel, Field

from documents.validation import schema_of


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


class TestASchema:
    def test_says_of_each_field_what_the_model_says(self) -> None:
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
    def test_of_what_it_has_no_rule_for_is_none(self, annotation: Any) -> None:
        model = type("Odd", (BaseModel,), {"__annotations__": {"odd": annotation}})
        with pytest.raises(TypeError, match="no validator is known"):
            schema_of(model)
