"""The compose stack and the image, read as whoever runs them would have them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from app.config import Settings
from tests.contract.project.test_settings import documented
from tests.paths import ROOT

SETTINGS = {name.upper() for name in Settings.model_fields}
SERVE = ["task-timer", "serve"]
SAFE_KEY = "0c4f1f9b6a7e4d20b8f3a1c5d7e9042b"
OF_THE_STACK = {"ENVIRONMENT", "DATABASE_URL", "DATABASE_URL_FILE", "HOST", "PORT"}
"""What the stack decides, whatever .env says."""


def in_the_container(compose: dict[str, Any], **said: str) -> dict[str, str]:
    """The variables of the service that say anything, where .env is .env.example but for these."""
    service = compose["services"]["api"]
    assert service["env_file"] == ".env"
    env_file = {**documented(), **said}

    def interpolated(value: str) -> str:
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: env_file.get(found[1]) or found[2], value)

    environment = {name: interpolated(value) for name, value in service["environment"].items()}
    assert "$" not in "".join(environment.values())
    return {name: value for name, value in (env_file | environment).items() if value}


def started(variables: dict[str, str]) -> Settings:
    """The settings of a service that starts with these variables."""
    given: dict[str, Any] = {name.lower(): value for name, value in variables.items()}
    return Settings(_env_file=None, **given)


def merged(first: Any, second: Any) -> Any:
    """Two files of compose as it reads them together, as far as they need it: lists are joined."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {key: merged(first.get(key), second.get(key)) for key in {**first, **second}}
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return first if second is None else second


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
        given["SECRET_KEY"] = SAFE_KEY
        settings = Settings(_env_file=None, **{name.lower(): value for name, value in given.items()})
        assert settings.environment == "production"
        assert settings.host == "0.0.0.0"

    def test_holds_no_secret_and_insists_on_one(self, compose: dict[str, Any]) -> None:
        assert in_the_container(compose, SECRET_KEY="").keys().isdisjoint({"SECRET_KEY", "SECRET_KEY_FILE"})
        with pytest.raises(ValidationError, match="ENVIRONMENT=production needs SECRET_KEY"):
            started(in_the_container(compose, SECRET_KEY=""))

    @pytest.mark.parametrize("name", sorted(SETTINGS - OF_THE_STACK))
    def test_passes_on_every_setting_of_the_example(self, compose: dict[str, Any], name: str) -> None:
        """One that .env sets to something else than its default arrives, whatever else the stack sets."""
        assert in_the_container(compose, **{name: "as said in .env"})[name] == "as said in .env"

    def test_decides_what_belongs_to_it(self, compose: dict[str, Any]) -> None:
        wrong = dict.fromkeys(OF_THE_STACK, "as said in .env")
        arrived = in_the_container(compose, **wrong)
        assert {name: arrived.get(name) for name in OF_THE_STACK} == {
            "ENVIRONMENT": "production",
            "DATABASE_URL": "mongodb://mongo:27017/?replicaSet=task-timer",
            "DATABASE_URL_FILE": None,
            "HOST": "0.0.0.0",
            "PORT": "8000",
        }

    def test_takes_the_example_as_it_is_with_a_key(self, compose: dict[str, Any]) -> None:
        settings = started(in_the_container(compose, SECRET_KEY=SAFE_KEY))
        assert (settings.environment, settings.host, settings.port) == ("production", "0.0.0.0", 8000)

    def test_takes_the_key_from_a_secret_of_docker(self, compose: dict[str, Any], tmp_path: Path) -> None:
        """As docs/operating.rst says it: read here as a file of compose that comes after the first."""
        page = (ROOT / "docs" / "operating.rst").read_text()
        block = re.search(r"\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)", page)
        assert block
        added = yaml.safe_load(block[1])
        both = merged(compose, added)
        (secret,) = both["services"]["api"]["secrets"]
        assert secret in both["secrets"]
        arrived = in_the_container(both, SECRET_KEY="")
        assert arrived["SECRET_KEY_FILE"] == f"/run/secrets/{secret}"
        (tmp_path / "key").write_text(SAFE_KEY + "\n")
        settings = started(arrived | {"SECRET_KEY_FILE": str(tmp_path / "key")})
        assert settings.secret_key == SecretStr(SAFE_KEY)

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


class TestTheShellsFile:
    """compose.shell.yml, read after docker-compose.yml."""

    @pytest.fixture
    def both(self, compose: dict[str, Any]) -> dict[str, Any]:
        with_shell: dict[str, Any] = merged(compose, yaml.safe_load((ROOT / "compose.shell.yml").read_text()))
        return with_shell

    def test_publishes_the_database_on_this_machine_alone(self, both: dict[str, Any]) -> None:
        published = {name: service.get("ports", []) for name, service in both["services"].items()}
        assert published == {"api": ["127.0.0.1:${PORT:-8000}:8000"], "mongo": ["127.0.0.1:27017:27017"]}

    def test_puts_it_on_a_network_that_can_be_published(self, both: dict[str, Any]) -> None:
        networks = both["services"]["mongo"]["networks"]
        assert networks == ["database", "shell"]
        assert [(both["networks"][name] or {}).get("internal", False) for name in networks] == [True, False]
        assert both["services"]["api"]["networks"] == ["public", "database"]

    def test_changes_nothing_else(self, compose: dict[str, Any], both: dict[str, Any]) -> None:
        assert both["services"]["api"] == compose["services"]["api"]
        changed = {
            key for key, value in both["services"]["mongo"].items() if compose["services"]["mongo"].get(key) != value
        }
        assert changed == {"ports", "networks"}

    @pytest.mark.parametrize("page", ["README.rst", "docs/operating.rst"])
    def test_is_told_of_with_the_address_that_works(self, page: str) -> None:
        """The name of the replica set's member means nothing on this machine: hence directConnection."""
        text = (ROOT / page).read_text()
        assert "docker compose -f docker-compose.yml -f compose.shell.yml up -d" in text
        assert 'mongosh "mongodb://127.0.0.1:27017/task_timer_db?directConnection=true"' in text
        assert "docker compose exec mongo mongosh task_timer_db" in text


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
