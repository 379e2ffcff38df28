"""The compose stack and the image, read as whoever runs them would have them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import Settings

ROOT = Path(__file__).parent.parent
SETTINGS = {name.upper() for name in Settings.model_fields}
SERVE = ["task-timer", "serve"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions, each with what follows it."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(first, rest.strip()) for first, _, rest in (line.strip().partition(" ") for line in lines)]


def following(dockerfile: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for first, rest in dockerfile if first == instruction]


class TestTheStack:
    def test_sets_nothing_but_settings(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]["api"]["environment"]) <= SETTINGS

    def test_reads_nothing_but_settings(self) -> None:
        named = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
        assert set(named) <= SETTINGS

    def test_is_a_production_that_starts(self, compose: dict[str, Any]) -> None:
        given = {name: value for name, value in compose["services"]["api"]["environment"].items() if "$" not in value}
        given["SECRET_KEY"] = "0c4f1f9b6a7e4d20b8f3a1c5d7e9042b"
        settings = Settings(_env_file=None, **{name.lower(): value for name, value in given.items()})
        assert settings.environment == "production"
        assert settings.host == "0.0.0.0"

    def test_holds_no_secret_and_insists_on_one(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["api"]["environment"]["SECRET_KEY"].startswith("${SECRET_KEY:?")

    def test_publishes_the_api_on_this_machine_and_nothing_else(self, compose: dict[str, Any]) -> None:
        published = {name: service.get("ports", []) for name, service in compose["services"].items()}
        assert published == {"api": ["127.0.0.1:${PORT:-8000}:8000"], "mongo": []}

    def test_keeps_the_database_on_a_network_of_its_own(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["mongo"]["networks"] == ["database"]
        assert compose["networks"]["database"] == {"internal": True}

    def test_runs_a_mongodb_that_the_service_is_for(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["mongo"]["image"] == "mongo:8"

    def test_keeps_the_data_in_a_named_volume(self, compose: dict[str, Any]) -> None:
        assert "mongo-data:/data/db" in compose["services"]["mongo"]["volumes"]
        assert "mongo-data" in compose["volumes"]

    def test_makes_the_replica_set_that_the_service_asks_for(self, compose: dict[str, Any]) -> None:
        mongo, api = compose["services"]["mongo"], compose["services"]["api"]
        name = mongo["command"][mongo["command"].index("--replSet") + 1]
        initiates = mongo["healthcheck"]["test"][-1]
        assert f'rs.initiate({{_id: "{name}", members: [{{_id: 0, host: "mongo:27017"}}]}})' in initiates
        assert "isWritablePrimary" in initiates
        assert api["environment"]["DATABASE_URL"] == f"mongodb://mongo:27017/?replicaSet={name}"

    def test_starts_the_service_when_the_database_can_be_written(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["api"]["depends_on"] == {"mongo": {"condition": "service_healthy"}}

    def test_runs_the_command_that_the_image_does(
        self, compose: dict[str, Any], dockerfile: list[tuple[str, str]]
    ) -> None:
        assert compose["services"]["api"]["command"] == SERVE
        assert json.loads(following(dockerfile, "CMD")[-1]) == SERVE

    def test_runs_the_command_that_the_readme_names(self) -> None:
        assert " ".join(SERVE) in (ROOT / "README.rst").read_text()


class TestTheImage:
    def test_copies_what_the_wheel_is_made_of(self, dockerfile: list[tuple[str, str]]) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        needed = {
            "pyproject.toml",
            "constraints.txt",
            project["project"]["readme"],
            *project["project"]["license-files"],
            *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
        }
        copied = [rest.split()[:-1] for rest in following(dockerfile, "COPY") if not rest.startswith("--from")]
        assert {name for names in copied for name in names} == needed
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        assert set(allowed) == needed
        assert all((ROOT / name).exists() for name in needed)

    def test_copies_a_folder_to_a_folder_of_its_name(self, dockerfile: list[tuple[str, str]]) -> None:
        for rest in following(dockerfile, "COPY"):
            source, target = rest.split()[-2:]
            if (ROOT / source).is_dir():
                assert target == f"./{source}"

    def test_installs_nothing_without_its_hash(self, dockerfile: list[tuple[str, str]]) -> None:
        steps = [step for rest in following(dockerfile, "RUN") for step in rest.split("&&") if "pip" in step.split()]
        fetches = [step for step in steps if "--no-index" not in step and step.split()[-1] != "."]
        assert len(fetches) == 1
        assert "--require-hashes --only-binary :all:" in fetches[0]
        assert "-r constraints.txt" in fetches[0]

    def test_does_not_run_as_root(self, dockerfile: list[tuple[str, str]]) -> None:
        assert following(dockerfile, "USER") == ["task-timer"]

    def test_sets_nothing_but_settings(self, dockerfile: list[tuple[str, str]]) -> None:
        last = following(dockerfile, "ENV")[-1]
        names = {pair.partition("=")[0] for pair in last.split()}
        assert names - {"PATH"} - {name for name in names if name.startswith("PYTHON")} <= SETTINGS
        assert {"HOST=0.0.0.0", "WORKERS=1"} <= set(last.split())

    def test_is_healthy_when_the_service_is_ready(self, dockerfile: list[tuple[str, str]]) -> None:
        (check,) = following(dockerfile, "HEALTHCHECK")
        assert "urllib.request" in check
        assert "/health/ready" in check
