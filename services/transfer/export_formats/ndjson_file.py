"""Time entries as JSON, one object a line, for programs."""

from typing import Any

import orjson

from services.tracking.schemas.entries import read_entry
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row

_LINE_BREAKS = {character.encode(): f"\\u{ord(character):04x}".encode() for character in ("\u0085", "\u2028", "\u2029")}
"""What some programs take for the end of a line, though JSON does not: escaped, which means the same."""


async def write_ndjson(batches: Batches, about: ExportContext) -> Chunks:
    """Each entry as the API answers it, and what is said of its task."""
    async for batch in batches:
        lines = b"".join([orjson.dumps(_line(row, about), option=orjson.OPT_APPEND_NEWLINE) for row in batch])
        for character, escaped in _LINE_BREAKS.items():
            lines = escaped.join(lines.split(character))
        yield lines


def _line(row: Row, about: ExportContext) -> dict[str, Any]:
    project, client = about.project_of(row)
    return {
        **read_entry(str(row["_id"]), row["entry"]),
        "task_title": row["title"],
        "task_tags": row["tags"],
        "status": row["status"],
        "project_id": None if project is None else str(row["project_id"]),
        "project_name": project,
        "client_name": client,
    }
