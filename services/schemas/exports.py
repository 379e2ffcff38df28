"""What an export is asked for by."""

from pydantic import Field

from services.schemas.fields import Flag
from services.schemas.ranges import RangeQuery


class CsvQuery(RangeQuery):
    """Which entries, and how a spreadsheet is to know their encoding."""

    bom: Flag = Field(default=False, description="Whether a byte order mark comes first: Excel wants one.")
