"""Development tools from npm: installed from a lock file into a folder that git ignores, and run without output."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.paths import ROOT

OLDEST_NODE = 18


class ToolError(Exception):
    """A tool cannot be installed, or it has found something. The message is for the user."""


def has_node(command: str, what: str) -> bool:
    """Return whether Node.js is installed, and print a line if it is not. Raises ToolError in CI if it is not.

    Args:
        command: The target of make, as the beginning of the line.
        what: What needs Node.js, as the subject of a sentence.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and int(output_of(node, "--version").removeprefix("v").split(".")[0]) >= OLDEST_NODE:
        return True
    missing = f"{what} needs Node.js {OLDEST_NODE} or later, with npm"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        raise ToolError(f"{missing}; install them, because CI does not skip it")
    print(f"{command}: skipped: {missing}")  # noqa: T201 -- a command
    return False


def install_packages(source: Path, folder: Path) -> Path:
    """Install the packages of `source`/package-lock.json in the folder, and return the folder of their commands."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    modules = folder / "node_modules"
    if clear_if_outdated(modules, source / "package-lock.json"):
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
        write_stamp(modules, source / "package-lock.json")
    return modules / ".bin"


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
    """Run the command without output. Raises ToolError, with the output, if it fails."""
    result = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(f"{' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}")


def output_of(*command: str) -> str:
    """Run the command, and return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()
