"""Write time entries as NDJSON, with one JSON object on each line."""

from typing import Any

import orjson

from services.tracking.schemas.entries import read_entry
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row

_LINE_BREAKS = {character.encode(): f"\\u{ord(character):04x}".encode() for character in ("\u0085", "\u2028", "\u2029")}
"""Characters that some programs read as line ends, and their JSON escapes."""


async def write_ndjson(batches: Batches, context: ExportContext) -> Chunks:
    """Write each entry as in API responses, with fields of its task and project."""
    async for batch in batches:
        lines = b"".join([orjson.dumps(_line(row, context), option=orjson.OPT_APPEND_NEWLINE) for row in batch])
        for character, escaped in _LINE_BREAKS.items():
            lines = escaped.join(lines.split(character))
        yield lines


def _line(row: Row, context: ExportContext) -> dict[str, Any]:
    project, client = context.project_of(row)
    return {
        **read_entry(str(row["_id"]), row["entry"]),
        "task_title": row["title"],
        "task_tags": row["tags"],
        "status": row["status"],
        "project_id": None if project is None else str(row["project_id"]),
        "project_name": project,
        "client_name": client,
    }
