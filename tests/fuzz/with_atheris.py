"""Coverage-guided fuzzing of the targets with atheris (libFuzzer).

    python -m tests.fuzz.with_atheris [TARGET [SECONDS]]

Bytes that make a target fail are stored in fuzz-findings/. Run them again with
`python -m tests.fuzz.with_atheris TARGET FILE`.
"""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FINDINGS = Path("fuzz-findings")
DEFAULT_SECONDS = "60"
PACKAGES = ["app", "documents", "services", "routes", "tests.fuzz"]


def main(name: str | None = None, seconds_or_file: str = DEFAULT_SECONDS) -> int:
    """Run one target for some seconds or with a stored finding; without a name, run each target in its own process."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write("atheris is not installed: pip install atheris (CPython on Linux, x86-64).\n")
        return 2
    if name is None:
        return _run_each()
    with atheris.instrument_imports(include=PACKAGES):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    if name not in targets:
        sys.stderr.write(f"There is no target {name}. The targets are: {', '.join(targets)}.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        _run(atheris, name, targets[name], seconds_or_file, Path(folder))
    return 0


def _run_each() -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 -- a single target is imported with instrumentation

    failed = []
    for name in TARGETS:
        print(f"--- {name}", flush=True)  # noqa: T201
        if subprocess.run([sys.executable, "-m", "tests.fuzz.with_atheris", name], check=False).returncode:
            failed.append(name)
    print(f"{len(TARGETS)} targets, {len(failed)} failed: {', '.join(failed) or 'none'}")  # noqa: T201
    return 1 if failed else 0


def _run(atheris: Any, name: str, target: Any, seconds_or_file: str, folder: Path) -> None:
    samples = folder / "samples"
    samples.mkdir()
    for number, sample in enumerate(target.samples):
        (samples / str(number)).write_bytes(sample)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (b"0", *target.words) if word))  # not an empty file
    FINDINGS.mkdir(exist_ok=True)
    prefix = f"-artifact_prefix={FINDINGS}/{name.replace(' ', '-')}-"
    inputs = (
        [seconds_or_file] if Path(seconds_or_file).is_file() else [f"-max_total_time={seconds_or_file}", str(samples)]
    )

    def check(data: bytes) -> None:
        target.check(data)

    atheris.Setup([sys.argv[0], f"-dict={words}", "-max_len=4096", "-print_final_stats=1", prefix, *inputs], check)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word[:100])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
