"""Run work in child processes, so that faults, hangs and crashes do not affect this process."""

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.mutation.mutants import Mutant

BROKEN = 99
"""The exit code of a child whose work raised an exception."""

PROJECT_PACKAGES = {"app", "documents", "services", "routes", "tests"}


def in_child(
    work: Callable[[int], int], timeout: float, on_line: Callable[[str], None] | None = None
) -> tuple[int | None, str]:
    """Run the work in a child process. Return its exit code, or None after the timeout, and its output.

    Args:
        work: Gets a file descriptor for its output, and returns the exit code.
        timeout: The maximum duration in seconds. Each line of the output restarts it if there is an `on_line`.
        on_line: Is called with each line as soon as it is written.
    """
    with TemporaryDirectory() as folder:
        output_file = Path(folder) / "output"
        output = os.open(output_file, os.O_CREAT | os.O_WRONLY)
        child = os.fork()
        if not child:
            _run_child(work, output)
        os.setpgid(child, child)  # also here, because the child may not have run yet when its group is killed
        os.close(output)
        status = _wait(child, timeout, _Lines(output_file, on_line))
        if status == BROKEN:
            raise RuntimeError(output_file.read_text())
        return status, output_file.read_text()


@dataclass
class _Lines:
    """The lines that a child writes to its output file."""

    file: Path
    on_line: Callable[[str], None] | None
    offset: int = 0

    def pass_on(self) -> bool:
        """Call the function with each new line. Return whether there was one."""
        if self.on_line is None:
            return False
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            text = stream.read()
        complete = text[: text.rfind(b"\n") + 1]
        self.offset += len(complete)
        for line in complete.decode().splitlines():
            self.on_line(line)
        return bool(complete)


def _wait(child: int, timeout: float, lines: _Lines) -> int | None:
    deadline, ended, code = time.monotonic() + timeout, 0, 0
    try:
        while not ended and time.monotonic() < deadline:
            ended, code = os.waitpid(child, os.WNOHANG)
            if lines.pass_on():
                deadline = time.monotonic() + timeout
            time.sleep(0.02)
    finally:  # also if this process is terminated
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(code) if ended else None


def _run_child(work: Callable[[int], int], output: int) -> None:
    status = BROKEN
    try:
        os.setpgid(0, 0)
        gc.freeze()  # what belongs to the parent, such as its connections, is not closed here
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        status = work(output)
    except BaseException:  # noqa: BLE001 -- the parent raises it
        os.write(output, traceback.format_exc().encode())
    finally:
        os._exit(status)


_functions: list[FunctionType] = []
_caches: list[Any] = []


def remember_functions() -> None:
    """Find all imported functions, and freeze them so that no garbage collector of a child visits them."""
    gc.unfreeze()  # the collector does not list what a service in this process has frozen
    gc.collect()
    objects = gc.get_objects()
    _functions[:] = [one for one in objects if type(one) is FunctionType]
    _caches[:] = [one for one in objects if type(one) is _lru_cache_wrapper and _is_of_project(one.__module__)]
    gc.freeze()


def _is_of_project(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in PROJECT_PACKAGES


def _clear_caches() -> None:
    for cached in _caches:
        cached.cache_clear()


@dataclass
class Importer(MetaPathFinder, Loader):
    """Imports one module with a fault."""

    module: str
    code: CodeType

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin=self.code.co_filename) if fullname == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def apply_fault(mutant: Mutant) -> None:
    """Apply the fault to the imported code.

    The code of a function is replaced. If the fault is in code that runs at import, all modules of the project are
    imported again.
    """
    faulty, functions = _faulty_code(mutant)
    if faulty:
        for function in functions:
            function.__code__ = faulty
        _clear_caches()
        return
    for module in [name for name in sys.modules if _is_of_project(name)]:
        del sys.modules[module]
    sys.meta_path.insert(0, Importer(mutant.file.removesuffix(".py").replace("/", "."), _compiled(mutant)))


def is_in_imported_function(mutant: Mutant) -> bool:
    """Return whether `fault_applied` can apply the fault."""
    return mutant.function is not None and _faulty_code(mutant)[0] is not None


@contextmanager
def fault_applied(mutant: Mutant) -> Iterator[None]:
    """Apply the fault to a function during the block."""
    faulty, functions = _faulty_code(mutant)
    if faulty is None:
        raise ValueError(f"{mutant.file}:{mutant.lines.start} is not in an imported function")
    correct = [function.__code__ for function in functions]
    try:
        for function in functions:
            function.__code__ = faulty
        _clear_caches()
        yield
    finally:
        for function, code in zip(functions, correct, strict=True):
            function.__code__ = code
        _clear_caches()  # they contain what the faulty function has returned


def _faulty_code(mutant: Mutant) -> tuple[CodeType | None, list[FunctionType]]:
    """Return the code of the function with the fault, or None if it cannot replace the imported one."""
    path = str(Path(mutant.file).resolve())
    faulty = next(_codes_named(_compiled(mutant), mutant.function), None)
    functions = [
        one for one in _functions if (one.__code__.co_filename, one.__code__.co_qualname) == (path, mutant.function)
    ]
    if faulty and functions and all(one.__code__.co_freevars == faulty.co_freevars for one in functions):
        return faulty, functions
    return None, []


def _compiled(mutant: Mutant) -> CodeType:
    return compile(mutant.apply(Path(mutant.file).read_text()), str(Path(mutant.file).resolve()), "exec")


def _codes_named(code: CodeType, name: str | None) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == name:
                yield inner
            yield from _codes_named(inner, name)
