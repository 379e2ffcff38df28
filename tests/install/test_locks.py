"""The lock files: complete, with hashes, and with wheels for each platform in the README."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.paths import ROOT

RUN, DEV = ROOT / "constraints.txt", ROOT / "constraints-dev.txt"
WHEELS = Path(__file__).with_name("wheels.txt")


def _linux(machine: str) -> list[str]:
    """Return the platform tags of glibc 2.28, the version in the README, and of all older versions."""
    newer = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]
    return [*newer, *(f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1"))]


# The marker values of each platform, and its tags.
PLATFORMS = {
    "Linux x86-64": ({"sys_platform": "linux", "platform_machine": "x86_64"}, _linux("x86_64")),
    "Linux arm64": ({"sys_platform": "linux", "platform_machine": "aarch64"}, _linux("aarch64")),
    "macOS arm64": ({"sys_platform": "darwin", "platform_machine": "arm64"}, list(mac_platforms((14, 0), "arm64"))),
    "Windows x64": ({"sys_platform": "win32", "platform_machine": "AMD64"}, ["win_amd64"]),
}
PYTHONS = [(3, 11), (3, 12), (3, 13)]


def _pins(lock: Path) -> list[tuple[Requirement, set[str]]]:
    """Return each pinned requirement of a lock with its hashes."""
    entries = lock.read_text().replace("\\\n", " ").strip().splitlines()
    return [
        (Requirement(entry.split(" --hash=")[0]), set(re.findall(r"--hash=sha256:(\w+)", entry))) for entry in entries
    ]


def _environment(platform: str, python: tuple[int, int]) -> dict[str, str]:
    version = ".".join(map(str, python))
    return {
        **PLATFORMS[platform][0],
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def _applies(marker: Marker | None, environment: dict[str, str] | None = None) -> bool:
    return marker is None or marker.evaluate(environment or {"extra": ""})


def _installed_pins(*locks: Path) -> dict[str, Requirement]:
    """Return the requirements that the locks install on this platform, by name."""
    pins = [pin for lock in locks for pin, _ in _pins(lock) if _applies(pin.marker)]
    return {canonicalize_name(pin.name): pin for pin in pins}


def _requirements(pins: dict[str, Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Return what the installed packages and their pinned extras require on this platform."""
    for name, pin in pins.items():
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if any(_applies(requirement.marker, {"extra": extra}) for extra in ["", *pin.extras]):
                yield name, requirement


class TestLocks:
    @pytest.mark.parametrize("lock", [RUN, DEV], ids=lambda lock: lock.name)
    def test_every_pin_has_one_exact_version_and_hashes(self, lock: Path) -> None:
        for pin, hashes in _pins(lock):
            assert [specifier.operator for specifier in pin.specifier] == ["=="], str(pin)
            assert hashes, str(pin)

    def test_no_package_is_in_both_locks(self) -> None:
        names = [{canonicalize_name(pin.name) for pin, _ in _pins(lock)} for lock in (RUN, DEV)]

        assert names[0] & names[1] == set()

    @pytest.mark.parametrize("locks", [(RUN,), (RUN, DEV)], ids=["running", "development"])
    def test_locks_contain_all_requirements_of_their_packages(self, locks: tuple[Path, ...]) -> None:
        """Then pip resolves nothing, and no later release can break an installation."""
        pins = _installed_pins(*locks)
        missing = [
            f"{name} requires {need}"
            for name, need in _requirements(pins)
            if (pin := pins.get(canonicalize_name(need.name))) is None
            or not need.specifier.contains(next(iter(pin.specifier)).version, prereleases=True)
            or not need.extras <= pin.extras
        ]

        assert missing == []

    def test_requirements_of_the_service_are_in_its_lock(self) -> None:
        pins = _installed_pins(RUN)
        needs = [Requirement(line) for line in importlib.metadata.requires("task-timer") or []]
        needs = [need for need in needs if _applies(need.marker, {"extra": "embedded"})]

        assert {canonicalize_name(need.name) for need in needs} <= pins.keys()
        assert all(need.extras <= pins[canonicalize_name(need.name)].extras for need in needs)


class TestInstallCommands:
    def test_pip_never_resolves(self) -> None:
        """It installs the packages of a lock (--no-deps), or wheels that were downloaded from a lock (--no-index)."""
        texts = [(ROOT / name).read_text() for name in ("Makefile", "Dockerfile")]
        lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
        calls = [
            call for line in lines for call in re.findall(r"pip (?:--\S+ \S+ )?(?:install|download|wheel)[^;&]*", line)
        ]

        assert len(calls) >= 4
        assert [text for text in calls if "--no-deps" not in text and "--no-index" not in text] == []

    def test_make_run_installs_no_development_packages(self) -> None:
        rule = (ROOT / "Makefile").read_text().split("$(RUN_STAMP): ")[1].split("\n\n")[0]

        assert "-r constraints.txt" in rule
        assert "constraints-dev" not in rule


class TestWheels:
    @pytest.fixture(scope="module")
    @staticmethod
    def wheels() -> dict[str, list[tuple[str, frozenset[Tag]]]]:
        """The hash and the tags of each wheel, by package and version."""
        wheels: dict[str, list[tuple[str, frozenset[Tag]]]] = {}
        for line in WHEELS.read_text().splitlines():
            digest, name = line.split()
            package, version, _, tags = parse_wheel_filename(name)
            wheels.setdefault(f"{package}=={version}", []).append((digest, tags))
        return wheels

    @pytest.mark.parametrize("python", PYTHONS, ids=lambda python: f"{python[0]}.{python[1]}")
    @pytest.mark.parametrize("platform", PLATFORMS)
    @pytest.mark.parametrize("lock", [RUN, DEV], ids=lambda lock: lock.name)
    def test_every_pin_has_a_wheel(
        self,
        lock: Path,
        platform: str,
        python: tuple[int, int],
        wheels: dict[str, list[tuple[str, frozenset[Tag]]]],
    ) -> None:
        environment, platforms = _environment(platform, python), PLATFORMS[platform][1]
        accepted = {*cpython_tags(python, platforms=platforms), *compatible_tags(python, "cp311", platforms)}
        missing = [
            str(pin)
            for pin, hashes in _pins(lock)
            if _applies(pin.marker, environment)
            and not any(
                digest in hashes and tags & accepted
                for digest, tags in wheels.get(f"{canonicalize_name(pin.name)}{pin.specifier}", [])
            )
        ]

        assert missing == []

    @pytest.mark.parametrize("platform", PLATFORMS)
    def test_platform_is_in_the_readme(self, platform: str) -> None:
        assert platform in (ROOT / "README.rst").read_text()
