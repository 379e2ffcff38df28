"""A service that takes turns with others: its costs, its response times, and their ratios."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, quantiles

from benchmarks.harness.client import SETTLE_SECONDS, Call, Connection, send_all
from benchmarks.harness.processes import Service


@dataclass(frozen=True, slots=True)
class Cost:
    """The average CPU time of a request, and the response time of each, in seconds."""

    cpu: float
    times: list[float]


def combined(costs: Sequence[Cost]) -> Cost:
    """Return the cost of several rounds with the same number of requests."""
    return Cost(fmean(cost.cpu for cost in costs), [seconds for cost in costs for seconds in cost.times])


@dataclass(slots=True)
class Measured:
    """A service with the costs of each operation on each number of connections: one in each turn."""

    service: Service
    costs: dict[tuple[str, int], list[Cost]] = field(default_factory=dict, kw_only=True)

    async def cost_of(self, connections: Sequence[Connection], calls: Sequence[Call]) -> Cost:
        """Send the requests, and return their cost."""
        before = self.service.cpu_seconds()
        times = await send_all(connections, calls)
        await asyncio.sleep(SETTLE_SECONDS)
        return Cost((self.service.cpu_seconds() - before) / len(calls), times)

    def add_cost(self, operation: str, width: int, cost: Cost) -> None:
        """Store the cost of a turn on `width` connections."""
        self.costs.setdefault((operation, width), []).append(cost)

    def milliseconds(self, operation: str, width: int) -> float:
        """Return the CPU time of a request, as the median of the turns, in milliseconds."""
        return median(cost.cpu for cost in self.costs[operation, width]) * 1000

    def ratios(self, other: "Measured", operation: str, width: int) -> list[float]:
        """Return the ratio to the CPU time of another service within each turn."""
        pairs = zip(self.costs[operation, width], other.costs[operation, width], strict=True)
        return [own.cpu / others.cpu for own, others in pairs]

    def ratio(self, other: "Measured", operation: str, width: int) -> float:
        """Return the median of the ratios to the CPU time of another service within each turn."""
        return median(self.ratios(other, operation, width))

    def p99_milliseconds(self, operation: str, width: int) -> float:
        """Return the 99th percentile of the response times of all turns, in milliseconds."""
        return quantiles(combined(self.costs[operation, width]).times, n=100)[98] * 1000
