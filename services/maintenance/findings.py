"""What the doctor finds."""

from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from documents.common.base import Row
from documents.common.json_schema import format_value
from services.tracking.rules.invariants import RowFindings


@dataclass(frozen=True, slots=True)
class Finding:
    """An inconsistency: its collection, the document or index, what is wrong, and whether it was repaired."""

    collection: str
    subject: str
    message: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.collection} {self.subject}: {self.message}{' (repaired)' if self.repaired else ''}"


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """An inconsistency of a document. It is repairable when the correct value follows from other stored values."""

    collection: str
    document_id: Any
    message: str
    is_repairable: bool = False

    @property
    def document(self) -> tuple[str, Any]:
        """The collection and the id of the document."""
        return self.collection, self.document_id

    def as_finding(self, *, repaired: bool) -> Finding:
        """Return the finding about this inconsistency."""
        return Finding(self.collection, format_value(self.document_id), self.message, repaired=repaired)


@dataclass(slots=True)
class CheckResult:
    """The result of checking a user's tasks and the pages that they list.

    `needs_snapshot` is set if a check across several reads failed. `page_ids` are the listed pages.
    """

    tasks: int = 0
    entries: int = 0
    errors: list[Inconsistency] = field(default_factory=list)
    needs_snapshot: bool = False
    page_ids: set[ObjectId] = field(default_factory=set)


def inconsistencies_of(collection: str, row: Row, findings: RowFindings) -> list[Inconsistency]:
    """Return the inconsistencies of a task or page on its own. Wrong counters are repairable."""
    document_id, messages = row["_id"], findings.schema_errors + findings.inconsistencies
    errors = [Inconsistency(collection, document_id, message) for message in messages]
    for name, expected in findings.counters.items():
        stored = format_value(row[name]) if name in row else "missing"
        message = f"{name} is {stored}, its entries say {format_value(expected)}"
        errors.append(Inconsistency(collection, document_id, message, is_repairable=True))
    return errors
