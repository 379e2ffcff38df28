"""`task-timer user`: an administrator manages accounts."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.http import API
from tests.support.processes import free_port, new_database, run_command, run_command_with_input, running

SECRET_KEY = "f4b1c0d2e3a5968778695a4b3c2d1e0f"


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[dict[str, str]]:
    """The settings of a new database."""
    with new_database(database_url) as settings:
        yield settings


class Shell:
    """Runs `task-timer user` on one database."""

    def __init__(self, folder: Path, **variables: object) -> None:
        self.folder = folder
        self.variables = variables

    def user(self, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        return run_command_with_input(password, "user", *arguments, folder=self.folder, **self.variables)


def sign_in(base_url: str, email: str, password: str) -> httpx.Response:
    return httpx.post(f"{base_url}{API}/auth/token", data={"username": email, "password": password}, timeout=10)


class TestAccounts:
    def test_accounts_are_created_reset_disabled_and_enabled(self, tmp_path: Path, database: dict[str, str]) -> None:
        variables = {
            **database,
            "SECRET_KEY": SECRET_KEY,
            "REGISTRATION_OPEN": "false",
            "PORT": free_port(),
        }
        shell = Shell(tmp_path, **variables)
        created = shell.user("create", "Ada@example.com", "--timezone", "Europe/Berlin", password="first password\n")
        assert (created.returncode, created.stdout, created.stderr) == (
            0,
            "The account Ada@example.com was created.\n",
            "",
        )
        second = shell.user("create", "ADA@example.com", password="long enough")
        assert (second.returncode, second.stderr) == (1, "An account with this e-mail address already exists.\n")
        with running("serve", folder=tmp_path, **variables) as service:
            service.wait_until_ready()
            account = {"email": "eve@example.com", "password": "long enough"}
            assert httpx.post(f"{service.base_url}{API}/users", json=account).status_code == 403
            token = sign_in(service.base_url, "ada@EXAMPLE.com", "first password").json()["access_token"]

            reset = shell.user("reset-password", "ada@example.com", password="second password")
            assert (reset.returncode, reset.stdout) == (0, "ada@example.com has a new password.\n")
            assert sign_in(service.base_url, "ada@example.com", "first password").status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{service.base_url}{API}/users/me", headers=headers).status_code == 401

            assert shell.user("disable", "ada@example.com").returncode == 0
            assert sign_in(service.base_url, "ada@example.com", "second password").status_code == 401
            assert shell.user("enable", "ada@example.com").returncode == 0
            assert sign_in(service.base_url, "ada@example.com", "second password").status_code == 200

    @pytest.mark.parametrize(
        ("arguments", "password", "sentence"),
        [
            (("create", "nobody"), "long enough", "The email is not accepted: is not an e-mail address"),
            (("create", "a@example.com"), "short", "The password is not accepted: "),
            (("create", "a@example.com", "--timezone", "Mars/Base"), "long enough", "The timezone is not accepted: "),
            (("disable", "nobody@example.com"), "", "No account with this e-mail address exists."),
            (("enable", "nobody@example.com"), "", "No account with this e-mail address exists."),
            (("reset-password", "nobody@example.com"), "long enough", "No account with this e-mail"),
        ],
    )
    def test_error_is_reported_in_one_sentence(
        self,
        tmp_path: Path,
        database: dict[str, str],
        arguments: tuple[str, ...],
        password: str,
        sentence: str,
    ) -> None:
        shell = Shell(tmp_path, **database)
        refused = shell.user(*arguments, password=password)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr.startswith(sentence)
        assert refused.stderr.count("\n") == 1

    def test_store_is_started_if_no_service_is_running(self, tmp_path: Path) -> None:
        shell = Shell(tmp_path)
        assert shell.user("create", "ada@example.com", password="long enough").returncode == 0

    def test_unreachable_database_is_reported(self, tmp_path: Path) -> None:
        away = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true&timeoutMS=500"
        result = run_command("user", "disable", "ada@example.com", folder=tmp_path, DATABASE_URL=away)
        assert (result.returncode, result.stderr) == (1, "The database does not answer.\n")
