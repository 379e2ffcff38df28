"""Generate clients from openapi.json, check their types, and run a session with each: python -m tests.clients.

Everything is installed and generated in .clients, which git ignores. Installed packages are kept until
their lock file changes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes import free_port, running

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "openapi.json"
PYTHON, TYPESCRIPT = ROOT / ".clients/python", ROOT / ".clients/typescript"
OLDEST_NODE = 18


class ClientError(Exception):
    """A client cannot be made, or does not work; the text says why."""


def main() -> None:
    """Exits with 1 and a sentence when a client cannot be made or does not work."""
    try:
        makers = [make_the_python_client, *([make_the_typescript_client] if node_is_there() else [])]
        with TemporaryDirectory(prefix="task-timer-clients-") as folder:
            run_sessions(Path(folder), [make() for make in makers])
    except ClientError as wrong:
        sys.exit(f"clients: {wrong}")


def node_is_there() -> bool:
    """Whether there is a node to run. In CI it must be there: ClientError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and int(said(node, "--version").removeprefix("v").split(".")[0]) >= OLDEST_NODE:
        return True
    missing = f"the TypeScript client needs Node.js {OLDEST_NODE} or later, with npm"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        raise ClientError(f"{missing}; in CI it is not skipped: install them")
    print(f"clients: skipped: {missing}")  # noqa: T201 -- a command
    return False


def make_the_python_client() -> list[str | Path]:
    """Generates task_timer_client, and checks it and its session. Answers the command that runs the session."""
    generator = PYTHON / "generator"
    if is_new(generator, HERE / "generator.txt"):
        run(sys.executable, "-m", "venv", generator)
        pip = (generator / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", HERE / "generator.txt")
        mark(generator, HERE / "generator.txt")
    client = PYTHON / "task_timer_client"
    shutil.rmtree(client, ignore_errors=True)
    run(
        *(generator / "bin/openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"),
        *("--path", DOCUMENT, "--config", HERE / "generator.yaml", "--output-path", client),
        PATH=f"{generator / 'bin'}{os.pathsep}{os.environ['PATH']}",
    )
    session = shutil.copy(HERE / "session.py", PYTHON)
    run(sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini", client, session, cwd=PYTHON)
    return [sys.executable, session]


def make_the_typescript_client() -> list[str | Path]:
    """Generates schema.d.ts, and compiles the session with it. Answers the command that runs the session."""
    TYPESCRIPT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "tsconfig.json", "session.ts"):
        shutil.copy(HERE / name, TYPESCRIPT)
    modules = TYPESCRIPT / "node_modules"
    if is_new(modules, HERE / "package-lock.json"):
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=TYPESCRIPT)
        mark(modules, HERE / "package-lock.json")
    run(modules / ".bin/openapi-typescript", DOCUMENT, "--output", TYPESCRIPT / "schema.d.ts", cwd=TYPESCRIPT)
    run(modules / ".bin/tsc", cwd=TYPESCRIPT)
    return ["node", TYPESCRIPT / "out/session.js"]


def run_sessions(folder: Path, sessions: list[list[str | Path]]) -> None:
    """Runs each session against a service of its own making."""
    with running("serve", folder=folder, PORT=free_port(), EMBEDDED_DATA_DIR=folder / "data") as service:
        service.wait_until_ready()
        for session in sessions:
            run(*session, service.base_url)
            print(f"clients: a session with {Path(session[-1]).name} went well")  # noqa: T201 -- a command


def is_new(folder: Path, lock: Path) -> bool:
    """Whether what stands in the folder is not what the lock names; then it is gone."""
    stamp = folder / ".lock"
    if stamp.is_file() and stamp.read_text() == _digest(lock):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def mark(folder: Path, lock: Path) -> None:
    """Remembers that the folder holds what the lock names."""
    (folder / ".lock").write_text(_digest(lock))


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> None:
    """Runs the command, and shows what it says only when it fails: ClientError."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClientError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def said(*command: str) -> str:
    """What the command says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
