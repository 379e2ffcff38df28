"""Generate clients from openapi.json, check their types, and run a session with each: python -m tests.clients.

Everything is installed and generated in .clients, which git ignores. Packages are installed again when their lock file
changes.
"""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.clients import npm
from tests.clients.npm import ToolError, clear_if_outdated, install_packages, run, write_stamp
from tests.paths import ROOT
from tests.support.processes import free_port, running

HERE = Path(__file__).parent
DOCUMENT = ROOT / "openapi.json"
PYTHON, TYPESCRIPT = ROOT / ".clients/python", ROOT / ".clients/typescript"


def main() -> None:
    """Generate and test the clients. Exits with 1 and a message if that fails."""
    try:
        generators = [generate_python_client, *([generate_typescript_client] if has_node() else [])]
        with TemporaryDirectory(prefix="task-timer-clients-") as folder:
            run_sessions(Path(folder), [generate() for generate in generators])
    except ToolError as error:
        sys.exit(f"clients: {error}")


def has_node() -> bool:
    """Return whether Node.js is installed. Raises ToolError in CI if it is not."""
    return npm.has_node("clients", "the TypeScript client")


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
    commands = install_packages(HERE, TYPESCRIPT)
    for name in ("tsconfig.json", "session.ts"):
        shutil.copy(HERE / name, TYPESCRIPT)
    run(commands / "openapi-typescript", DOCUMENT, "--output", TYPESCRIPT / "schema.d.ts", cwd=TYPESCRIPT)
    run(commands / "tsc", cwd=TYPESCRIPT)
    return ["node", TYPESCRIPT / "out/session.js"]


def run_sessions(folder: Path, sessions: list[list[str | Path]]) -> None:
    """Run each session on one service with a new database."""
    with running("serve", folder=folder, PORT=free_port(), EMBEDDED_DATA_DIR=folder / "data") as service:
        service.wait_until_ready()
        for session in sessions:
            run(*session, service.base_url)
            print(f"clients: a session with {Path(session[-1]).name} passed")  # noqa: T201 -- a command


if __name__ == "__main__":
    main()
