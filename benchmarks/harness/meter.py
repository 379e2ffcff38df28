"""The cost of a request: the CPU time of the service and of the store, and the response time."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self

from benchmarks.harness.client import SETTLE_SECONDS, Call, Connection
from benchmarks.harness.processes import Service

IDLE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time of the service and of the store, and the response time, in seconds."""

    service: float
    store: float
    wall: float


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures the CPU time of a service and of its store, minus the CPU time that they need when idle."""

    service: Service
    store: Service
    idle_service: float
    idle_store: float

    @classmethod
    def of(cls, service: Service, store: Service) -> Self:
        """Measure the idle processes, and return their meter."""
        service_before, store_before = service.cpu_seconds(), store.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle_service = (service.cpu_seconds() - service_before) / IDLE_SECONDS
        return cls(service, store, idle_service, (store.cpu_seconds() - store_before) / IDLE_SECONDS)

    async def cost_of(self, connection: Connection, call: Call) -> Cost:
        """Send the request, and return its cost."""
        began, service, store = time.monotonic(), self.service.cpu_seconds(), self.store.cpu_seconds()
        await connection.send(call)
        wall = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        idle = time.monotonic() - began
        return Cost(
            self.service.cpu_seconds() - service - self.idle_service * idle,
            self.store.cpu_seconds() - store - self.idle_store * idle,
            wall,
        )
