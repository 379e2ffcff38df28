"""Refuse a database that a later version of the service has written to.

A later version may store data where this version does not look for it, so that this one would lose some of it or
report too little. The records in schema_versions have the field `min_writer`: the lowest schema version of a service
that may use the database. The highest `min_writer` of all records applies.
"""

from typing import Any

from pymongo import MongoClient

from app.database.view import SCHEMA_VERSIONS, Database
from app.errors import CommandError


class LaterVersionError(CommandError):
    """Only a later version of the service may use the database."""

    def __init__(self, min_writer: int, schema_version: int) -> None:
        super().__init__(
            "A later version of Task Timer has written to this database: use a version with schema version "
            f"{min_writer} or higher (this one has {schema_version})."
        )


async def require_min_writer(database: Database, schema_version: int) -> None:
    """Return if a service with this schema version may use the database. Raises LaterVersionError otherwise."""
    rows = await database[SCHEMA_VERSIONS].find(_is_higher(schema_version)).to_list(None)
    _require_none(rows, schema_version)


def require_min_writer_blocking(client: MongoClient[dict[str, Any]], name: str, schema_version: int) -> None:
    """Do the same as require_min_writer for the database with this name, without an event loop."""
    rows = list(client[name][SCHEMA_VERSIONS].find(_is_higher(schema_version)))
    _require_none(rows, schema_version)


def _is_higher(schema_version: int) -> dict[str, Any]:
    return {"min_writer": {"$gt": schema_version}}


def _require_none(rows: list[dict[str, Any]], schema_version: int) -> None:
    if rows:
        raise LaterVersionError(max(row["min_writer"] for row in rows), schema_version)
