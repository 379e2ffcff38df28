"""The measurement of test coverage, which must leave out only what does not count."""

import threading
from concurrent.futures import ThreadPoolExecutor

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.support.pytest_hooks.measured_cases import DRIVER_THREADS, leave_out_driver_threads


class ThreadNames(CommandListener):
    """The names of the threads in which the driver sends commands."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def started(self, event: CommandStartedEvent) -> None:  # noqa: ARG002 -- the name is that of the driver
        self.names.add(threading.current_thread().name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to record."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to record."""


class TestThreads:
    def test_only_threads_of_the_driver_are_left_out(self) -> None:
        traced: set[str] = set()
        before = threading.gettrace()
        threading.settrace(lambda *_: traced.add(threading.current_thread().name))
        try:
            leave_out_driver_threads()
            for prefix in ("asyncio", DRIVER_THREADS[0]):
                with ThreadPoolExecutor(1, thread_name_prefix=prefix) as threads:
                    threads.submit(int).result()
        finally:
            threading.settrace(before)
        assert traced == {"asyncio_0"}

    async def test_driver_sends_commands_in_threads_that_are_left_out(self, database_url: str) -> None:
        threads = ThreadNames()
        client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(database_url, event_listeners=[threads])
        await client.admin.command("ping")
        names = set(threads.names)
        client.close()
        assert names
        assert all(name.startswith(DRIVER_THREADS) for name in names)
