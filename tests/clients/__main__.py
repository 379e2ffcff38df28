"""Generate clients from openapi.json, check their types, and run a session with each: python -m tests.clients.

Everything is installed and generated in .clients, which git ignores. Packages are installed again when their lock file
changes.
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
    """A client cannot be generated, or does not work. The message says why."""


def main() -> None:
    """Generate and test the clients. Exits with 1 and a message if that fails."""
    try:
        generators = [generate_python_client, *([generate_typescript_client] if has_node() else [])]
        with TemporaryDirectory(prefix="task-timer-clients-") as folder:
            run_sessions(Path(folder), [generate() for generate in generators])
    except ClientError as error:
        sys.exit(f"clients: {error}")


def has_node() -> bool:
    """Return whether Node.js is installed. Raises ClientError in CI if it is not."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and int(output_of(node, "--version").removeprefix("v").split(".")[0]) >= OLDEST_NODE:
        return True
    missing = f"the TypeScript client needs Node.js {OLDEST_NODE} or later, with npm"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        raise ClientError(f"{missing}; install them, because CI does not skip it")
    print(f"clients: skipped: {missing}")  # noqa: T201 -- a command
    return False


def generate_python_client() -> list[str | Path]:
    """Generate task_timer_client, and check it and its session. Return the command that runs the session."""
    generator = PYTHON / "generator"
    if clear_if_outdated(generator, HERE / "generator.txt"):
        run(sys.executable, "-m", "venv", generator)
        pip = (generator / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", HERE / "generator.txt")
        write_stamp(generator, HERE / "generator.txt")
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


def generate_typescript_client() -> list[str | Path]:
    """Generate schema.d.ts, and compile the session with it. Return the command that runs the session."""
    TYPESCRIPT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "tsconfig.json", "session.ts"):
        shutil.copy(HERE / name, TYPESCRIPT)
    modules = TYPESCRIPT / "node_modules"
    if clear_if_outdated(modules, HERE / "package-lock.json"):
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=TYPESCRIPT)
        write_stamp(modules, HERE / "package-lock.json")
    run(modules / ".bin/openapi-typescript", DOCUMENT, "--output", TYPESCRIPT / "schema.d.ts", cwd=TYPESCRIPT)
    run(modules / ".bin/tsc", cwd=TYPESCRIPT)
    return ["node", TYPESCRIPT / "out/session.js"]


def run_sessions(folder: Path, sessions: list[list[str | Path]]) -> None:
    """Run each session on one service with a new database."""
    with running("serve", folder=folder, PORT=free_port(), EMBEDDED_DATA_DIR=folder / "data") as service:
        service.wait_until_ready()
        for session in sessions:
            run(*session, service.base_url)
            print(f"clients: a session with {Path(session[-1]).name} passed")  # noqa: T201 -- a command


def clear_if_outdated(folder: Path, lock: Path) -> bool:
    """Return False if the folder contains the packages of the lock, else remove it and return True."""
    stamp = folder / ".lock"
    if stamp.is_file() and stamp.read_text() == _digest(lock):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def write_stamp(folder: Path, lock: Path) -> None:
    """Store that the folder contains the packages of the lock."""
    (folder / ".lock").write_text(_digest(lock))


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> None:
    """Run the command without output. Raises ClientError, with the output, if it fails."""
    result = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClientError(f"{' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}")


def output_of(*command: str) -> str:
    """Run the command, and return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
