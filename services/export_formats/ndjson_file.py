"""Time entries as JSON, one object a line, for programs."""

from typing import Any

import orjson

from services.export_formats.rows import About, Batches, Contents, Row
from services.schemas.entries import read_entry


async def write_ndjson(batches: Batches, about: About) -> Contents:
    """Each entry as the API answers it, and what is said of its task."""
    async for batch in batches:
        yield b"".join([orjson.dumps(_line(row, about), option=orjson.OPT_APPEND_NEWLINE) for row in batch])


def _line(row: Row, about: About) -> dict[str, Any]:
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
