"""Bytes that find their own way into the code, as long as there is time: make fuzz, or with a target and seconds.

    python -m tests.fuzz.with_atheris [TARGET [SECONDS]]

atheris (libFuzzer) sees which lines were reached. Bytes with which a target fails are kept in fuzz-findings/;
`python -m tests.fuzz.with_atheris TARGET FILE` tries them again.
"""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FINDINGS = Path("fuzz-findings")
SECONDS = "60"
PACKAGES = ["app", "documents", "services", "routes", "tests.fuzz"]


def main(name: str | None = None, how_long: str = SECONDS) -> int:
    """Tries one target so many seconds, or with a kept finding, or each target in a process of its own."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write("atheris is not installed here: pip install atheris (CPython on Linux, x86-64).\n")
        return 2
    if name is None:
        return _each()
    with atheris.instrument_imports(include=PACKAGES):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    if name not in targets:
        sys.stderr.write(f"There is no target {name}. Those that there are: {', '.join(targets)}.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        _try(atheris, name, targets[name], how_long, Path(folder))
    return 0


def _each() -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 -- whoever tries one imports it under the eyes of atheris

    failed = []
    for name in TARGETS:
        print(f"--- {name}", flush=True)  # noqa: T201
        if subprocess.run([sys.executable, "-m", "tests.fuzz.with_atheris", name], check=False).returncode:
            failed.append(name)
    print(f"{len(TARGETS)} targets, {len(failed)} failed: {', '.join(failed) or 'none'}")  # noqa: T201
    return 1 if failed else 0


def _try(atheris: Any, name: str, target: Any, how_long: str, folder: Path) -> None:
    samples = folder / "samples"
    samples.mkdir()
    for number, sample in enumerate(target.samples):
        (samples / str(number)).write_bytes(sample)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (b"0", *target.words) if word))  # not an empty file
    FINDINGS.mkdir(exist_ok=True)
    kept = f"-artifact_prefix={FINDINGS}/{name.replace(' ', '-')}-"
    tried = [how_long] if Path(how_long).is_file() else [f"-max_total_time={how_long}", str(samples)]

    def look(data: bytes) -> None:
        target.look(data)

    atheris.Setup([sys.argv[0], f"-dict={words}", "-max_len=4096", "-print_final_stats=1", kept, *tried], look)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word[:100])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
