"""Rounding of tracked time: a lens that a report looks through. What is stored never changes."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from typing_extensions import TypeAliasType

RoundingMode = Literal["up", "nearest", "down"]
RoundingScope = TypeAliasType("RoundingScope", Literal["entry", "day", "total"])

HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Rounding:
    """To whole multiples of so many minutes: the next one, the nearest one (a half goes up), or the one before."""

    mode: RoundingMode
    minutes: int

    def apply(self, seconds: int) -> int:
        """The seconds, rounded."""
        step = self.minutes * 60
        if self.mode == "up":
            return -(-seconds // step) * step
        if self.mode == "nearest":
            return (2 * seconds + step) // (2 * step) * step
        return seconds // step * step

    def __str__(self) -> str:
        return f"{self.mode}:{self.minutes}"


def amount_from_rate_seconds(rate_seconds: int | Fraction) -> int:
    """What seconds at so much an hour cost, `rate_seconds` being the two multiplied: rounded half to even."""
    return round(Fraction(rate_seconds, HOUR_SECONDS))
