"""Work in child processes: what they do, how long they take and how they end does nothing to this one."""

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FunctionType, ModuleType

from tests.mutation.mutants import Mutant

BROKEN = 99
"""How a child exits that could not do its work."""

OURS = {"app", "documents", "services", "routes", "tests"}


def in_child(work: Callable[[int], int], patience: float) -> tuple[int | None, str]:
    """How a child process ended that does this work, None when it took too long, and what it told."""
    with TemporaryDirectory() as folder:
        heard = Path(folder) / "told"
        tell = os.open(heard, os.O_CREAT | os.O_WRONLY)
        child = os.fork()
        if not child:
            _work_alone(work, tell)
        os.close(tell)
        status = _wait(child, patience)
        if status == BROKEN:
            raise RuntimeError(heard.read_text())
        return status, heard.read_text()


def _wait(child: int, patience: float) -> int | None:
    deadline, ended, code = time.monotonic() + patience, 0, 0
    try:
        while not ended and time.monotonic() < deadline:
            ended, code = os.waitpid(child, os.WNOHANG)
            time.sleep(0.02)
    finally:  # also when this process is told to end
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(code) if ended else None


def _work_alone(work: Callable[[int], int], tell: int) -> None:
    status = BROKEN
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        status = work(tell)
    except BaseException:  # noqa: BLE001 -- the parent tells it
        os.write(tell, traceback.format_exc().encode())
    finally:
        os._exit(status)


_functions: list[FunctionType] = []


def remember_functions() -> None:
    """Finds all that has been imported; no child's garbage collector looks at it again."""
    gc.unfreeze()  # the collector does not list what a service in this process has frozen
    gc.collect()
    _functions[:] = [one for one in gc.get_objects() if type(one) is FunctionType]
    gc.freeze()


@dataclass
class Importer(MetaPathFinder, Loader):
    """Imports one module with a fault in it."""

    module: str
    code: CodeType

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin=self.code.co_filename) if fullname == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def put_in(mutant: Mutant) -> None:
    """Puts the fault in the place of what this process has imported.

    A function gets other code, whoever holds it. What runs at import is imported anew, and all of ours with it.
    """
    path = str(Path(mutant.file).resolve())
    code = compile(mutant.apply(Path(mutant.file).read_text()), path, "exec")
    faulty = next(_codes_named(code, mutant.function), None)
    wanted = [
        one for one in _functions if (one.__code__.co_filename, one.__code__.co_qualname) == (path, mutant.function)
    ]
    if faulty and wanted and all(one.__code__.co_freevars == faulty.co_freevars for one in wanted):
        for function in wanted:
            function.__code__ = faulty
        return
    for module in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[module]
    sys.meta_path.insert(0, Importer(mutant.file.removesuffix(".py").replace("/", "."), code))


def _codes_named(code: CodeType, name: str | None) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == name:
                yield inner
            yield from _codes_named(inner, name)
