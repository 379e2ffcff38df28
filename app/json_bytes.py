"""Plain values as JSON in UTF-8."""

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """Serialize a value. `orjson.Fragment` inserts JSON that is serialized already."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a total in a report can need more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
