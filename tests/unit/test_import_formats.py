from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from app.clock import rfc3339
from app.errors import FieldError, ValidationError
from services.import_formats.dates import DateOrder
from services.import_formats.reading import RowFormat, read_rows
from services.import_formats.rows import ImportedRow, RowsRead

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def read(
    file: str | bytes,
    *,
    of: RowFormat = "csv",
    zone: str = "Europe/Berlin",
    date_order: DateOrder | None = None,
) -> RowsRead:
    content = file.encode() if isinstance(file, str) else file
    return read_rows(BytesIO(content), format=of, zone=ZoneInfo(zone), date_order=date_order, now=NOW)


def span(row: ImportedRow) -> tuple[str, str]:
    return rfc3339(row.started_at), rfc3339(row.ended_at)


def refused(file: str | bytes, *, date_order: DateOrder | None = None) -> FieldError:
    with pytest.raises(ValidationError) as raised:
        read(file, date_order=date_order)
    (wrong,) = raised.value.errors
    return wrong


class TestAListOfHours:
    def test_is_read_whatever_its_columns_are_called(self) -> None:
        (row,) = read(
            "Project;Client;What;From;To;Labels;Chargeable?;Rate;Currency\n"
            "Site;Acme;Draw;18.11.2026 09:00;18.11.2026 10:30;Design, call;yes;85,50;EUR\n"
        ).rows
        assert row == ImportedRow(
            number=1,
            started_at=datetime(2026, 11, 18, 8, tzinfo=UTC),
            ended_at=datetime(2026, 11, 18, 9, 30, tzinfo=UTC),
            title="Draw",
            project="Site",
            client="Acme",
            tags=("design", "call"),
            billable=True,
            hourly_rate=(8550, "EUR"),
        )
