"""The Docker Compose files and the Dockerfile, parsed as Docker would do it."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from app.config import Settings
from tests.contract.project.test_settings import example_settings
from tests.paths import ROOT

SETTINGS = {name.upper() for name in Settings.model_fields}
SERVE = ["task-timer", "serve"]
SAFE_KEY = "0c4f1f9b6a7e4d20b8f3a1c5d7e9042b"
SET_BY_COMPOSE = {"ENVIRONMENT", "DATABASE_URL", "DATABASE_URL_FILE", "HOST", "PORT"}
"""The settings that the Compose file sets itself. .env cannot change them."""


def container_environment(compose: dict[str, Any], **changes: str) -> dict[str, str]:
    """Return the non-empty variables of the service, where .env is .env.example with these changes."""
    service = compose["services"]["api"]
    assert service["env_file"] == ".env"
    env_file = {**example_settings(), **changes}

    def interpolate(value: str) -> str:
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: env_file.get(match[1]) or match[2], value)

    environment = {name: interpolate(value) for name, value in service["environment"].items()}
    assert "$" not in "".join(environment.values())
    return {name: value for name, value in (env_file | environment).items() if value}


def settings_from(variables: dict[str, str]) -> Settings:
    """Return the settings of a service that starts with these variables."""
    values: dict[str, Any] = {name.lower(): value for name, value in variables.items()}
    return Settings(_env_file=None, **values)


def merge(first: Any, second: Any) -> Any:
    """Merge two Compose files as `docker compose` does: mappings by key, lists by concatenation."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {key: merge(first.get(key), second.get(key)) for key in {**first, **second}}
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return first if second is None else second


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its arguments."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(first, rest.strip()) for first, _, rest in (line.strip().partition(" ") for line in lines)]


def arguments_of(dockerfile: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for first, rest in dockerfile if first == instruction]


class TestDockerCompose:
    def test_environment_contains_only_settings(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]["api"]["environment"]) <= SETTINGS

    def test_interpolated_variables_are_settings(self) -> None:
        named = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
        assert set(named) <= SETTINGS

    def test_is_a_production_environment_that_starts(self, compose: dict[str, Any]) -> None:
        environment = compose["services"]["api"]["environment"]
        fixed = {name: value for name, value in environment.items() if "$" not in value}
        settings = settings_from({**fixed, "SECRET_KEY": SAFE_KEY})
        assert settings.environment == "production"
        assert settings.host == "0.0.0.0"

    def test_contains_no_secret_and_requires_one(self, compose: dict[str, Any]) -> None:
        assert container_environment(compose, SECRET_KEY="").keys().isdisjoint({"SECRET_KEY", "SECRET_KEY_FILE"})
        with pytest.raises(ValidationError, match="ENVIRONMENT=production needs SECRET_KEY"):
            settings_from(container_environment(compose, SECRET_KEY=""))

    @pytest.mark.parametrize("name", sorted(SETTINGS - SET_BY_COMPOSE))
    def test_passes_every_setting_of_env_to_the_service(self, compose: dict[str, Any], name: str) -> None:
        assert container_environment(compose, **{name: "value from .env"})[name] == "value from .env"

    def test_overrides_the_settings_that_it_sets_itself(self, compose: dict[str, Any]) -> None:
        ignored = dict.fromkeys(SET_BY_COMPOSE, "value from .env")
        environment = container_environment(compose, **ignored)
        assert {name: environment.get(name) for name in SET_BY_COMPOSE} == {
            "ENVIRONMENT": "production",
            "DATABASE_URL": "mongodb://mongo:27017/?replicaSet=task-timer",
            "DATABASE_URL_FILE": None,
            "HOST": "0.0.0.0",
            "PORT": "8000",
        }

    def test_starts_with_the_example_file_and_a_key(self, compose: dict[str, Any]) -> None:
        settings = settings_from(container_environment(compose, SECRET_KEY=SAFE_KEY))
        assert (settings.environment, settings.host, settings.port) == ("production", "0.0.0.0", 8000)

    def test_reads_the_key_from_a_docker_secret(self, compose: dict[str, Any], tmp_path: Path) -> None:
        """The example in docs/operating.rst, parsed as a second Compose file."""
        page = (ROOT / "docs" / "operating.rst").read_text()
        block = re.search(r"\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)", page)
        assert block
        added = yaml.safe_load(block[1])
        both = merge(compose, added)
        (secret,) = both["services"]["api"]["secrets"]
        assert secret in both["secrets"]
        environment = container_environment(both, SECRET_KEY="")
        assert environment["SECRET_KEY_FILE"] == f"/run/secrets/{secret}"
        (tmp_path / "key").write_text(SAFE_KEY + "\n")
        settings = settings_from(environment | {"SECRET_KEY_FILE": str(tmp_path / "key")})
        assert settings.secret_key == SecretStr(SAFE_KEY)

    def test_publishes_only_the_api_and_on_loopback(self, compose: dict[str, Any]) -> None:
        published = {name: service.get("ports", []) for name, service in compose["services"].items()}
        assert published == {"api": ["127.0.0.1:${PORT:-8000}:8000"], "mongo": []}

    def test_isolates_the_database_in_an_internal_network(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["mongo"]["networks"] == ["database"]
        assert compose["networks"]["database"] == {"internal": True}

    def test_runs_a_supported_mongodb(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["mongo"]["image"] == "mongo:8"

    def test_stores_the_data_in_a_named_volume(self, compose: dict[str, Any]) -> None:
        assert "mongo-data:/data/db" in compose["services"]["mongo"]["volumes"]
        assert "mongo-data" in compose["volumes"]

    def test_initiates_the_replica_set_of_the_database_url(self, compose: dict[str, Any]) -> None:
        mongo, api = compose["services"]["mongo"], compose["services"]["api"]
        name = mongo["command"][mongo["command"].index("--replSet") + 1]
        initiates = mongo["healthcheck"]["test"][-1]
        assert f'rs.initiate({{_id: "{name}", members: [{{_id: 0, host: "mongo:27017"}}]}})' in initiates
        assert "isWritablePrimary" in initiates
        assert api["environment"]["DATABASE_URL"] == f"mongodb://mongo:27017/?replicaSet={name}"

    def test_starts_the_service_after_the_database_is_healthy(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["api"]["depends_on"] == {"mongo": {"condition": "service_healthy"}}

    def test_runs_the_command_of_the_image(self, compose: dict[str, Any], dockerfile: list[tuple[str, str]]) -> None:
        assert compose["services"]["api"]["command"] == SERVE
        assert json.loads(arguments_of(dockerfile, "CMD")[-1]) == SERVE

    def test_runs_the_command_in_the_readme(self) -> None:
        assert " ".join(SERVE) in (ROOT / "README.rst").read_text()


class TestComposeShellFile:
    """compose.shell.yml, read after docker-compose.yml."""

    @pytest.fixture
    def both(self, compose: dict[str, Any]) -> dict[str, Any]:
        with_shell: dict[str, Any] = merge(compose, yaml.safe_load((ROOT / "compose.shell.yml").read_text()))
        return with_shell

    def test_publishes_the_database_on_loopback(self, both: dict[str, Any]) -> None:
        published = {name: service.get("ports", []) for name, service in both["services"].items()}
        assert published == {"api": ["127.0.0.1:${PORT:-8000}:8000"], "mongo": ["127.0.0.1:27017:27017"]}

    def test_adds_the_database_to_a_network_that_can_be_published(self, both: dict[str, Any]) -> None:
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
    def test_is_documented_with_a_connection_string_that_works(self, page: str) -> None:
        """The member name of the replica set cannot be resolved outside of the network: hence directConnection."""
        text = (ROOT / page).read_text()
        assert "docker compose -f docker-compose.yml -f compose.shell.yml up -d" in text
        assert 'mongosh "mongodb://127.0.0.1:27017/task_timer_db?directConnection=true"' in text
        assert "docker compose exec mongo mongosh task_timer_db" in text


class TestDockerfile:
    def test_copies_exactly_the_files_of_the_wheel(self, dockerfile: list[tuple[str, str]]) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        needed = {
            "pyproject.toml",
            "constraints.txt",
            project["project"]["readme"],
            *project["project"]["license-files"],
            *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
        }
        copied = [rest.split()[:-1] for rest in arguments_of(dockerfile, "COPY") if not rest.startswith("--from")]
        assert {name for names in copied for name in names} == needed
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        assert set(allowed) == needed
        assert all((ROOT / name).exists() for name in needed)

    def test_copies_each_folder_to_a_folder_with_the_same_name(self, dockerfile: list[tuple[str, str]]) -> None:
        for rest in arguments_of(dockerfile, "COPY"):
            source, target = rest.split()[-2:]
            if (ROOT / source).is_dir():
                assert target == f"./{source}"

    def test_installs_only_packages_with_hashes(self, dockerfile: list[tuple[str, str]]) -> None:
        steps = [step for rest in arguments_of(dockerfile, "RUN") for step in rest.split("&&") if "pip" in step.split()]
        fetches = [step for step in steps if "--no-index" not in step and step.split()[-1] != "."]
        assert len(fetches) == 1
        assert "--require-hashes --only-binary :all:" in fetches[0]
        assert "-r constraints.txt" in fetches[0]

    def test_does_not_run_as_root(self, dockerfile: list[tuple[str, str]]) -> None:
        assert arguments_of(dockerfile, "USER") == ["task-timer"]

    def test_environment_contains_only_settings(self, dockerfile: list[tuple[str, str]]) -> None:
        last = arguments_of(dockerfile, "ENV")[-1]
        names = {pair.partition("=")[0] for pair in last.split()}
        assert names - {"PATH"} - {name for name in names if name.startswith("PYTHON")} <= SETTINGS
        assert {"HOST=0.0.0.0", "WORKERS=1"} <= set(last.split())

    def test_health_check_requests_readiness(self, dockerfile: list[tuple[str, str]]) -> None:
        (check,) = arguments_of(dockerfile, "HEALTHCHECK")
        assert "urllib.request" in check
        assert "/health/ready" in check
