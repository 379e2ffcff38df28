"""Rounding of tracked time and of amounts in reports. Stored values are never rounded."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from typing_extensions import TypeAliasType

RoundingMode = Literal["up", "nearest", "down"]
RoundingScope = TypeAliasType("RoundingScope", Literal["entry", "day", "total"])

HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Rounding:
    """Rounding to whole multiples of a number of minutes. `nearest` rounds a half up."""

    mode: RoundingMode
    minutes: int

    def apply(self, seconds: int) -> int:
        """Return the seconds, rounded."""
        step = self.minutes * 60
        if self.mode == "up":
            return -(-seconds // step) * step
        if self.mode == "nearest":
            return (2 * seconds + step) // (2 * step) * step
        return seconds // step * step

    def __str__(self) -> str:
        return f"{self.mode}:{self.minutes}"


def amount_from_rate_seconds(rate_seconds: int | Fraction) -> int:
    """Return the amount for a sum of hourly rate times seconds, in minor units, rounded half to even."""
    return round(Fraction(rate_seconds, HOUR_SECONDS))
