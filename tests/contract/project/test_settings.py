"""The settings: documented in .env.example, and refused if they are unsafe."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.config import SECRETS, Settings
from tests.paths import ROOT
from tests.support.processes import clean_environment

SAFE: dict[str, Any] = {
    "environment": "production",
    "database_url": "mongodb://db.example.com",
    "secret_key": "0c4f1f9b6a7e4d20b8f3a1c5d7e9042b",
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in a folder without .env, and in an environment without settings of the service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", clean_environment())


def example_settings() -> dict[str, str]:
    """Return the variables of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class TestExampleFile:
    def test_lists_exactly_the_settings(self) -> None:
        assert list(example_settings()) == list(dict.fromkeys(example_settings()))
        assert set(example_settings()) == {name.upper() for name in Settings.model_fields}

    def test_contains_the_defaults(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
        from_example = Settings()
        (tmp_path / ".env").unlink()
        assert from_example == Settings()

    def test_lists_the_secrets_without_values(self) -> None:
        assert example_settings()["SECRET_KEY"] == example_settings()["DATABASE_URL"] == ""


class TestReadSettings:
    def test_environment_overrides_the_env_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".env").write_text("PORT=8001\nHOST=::1\n")
        monkeypatch.setattr("os.environ", clean_environment(PORT=8002))
        settings = Settings()
        assert (settings.host, settings.port) == ("::1", 8002)

    def test_empty_variable_counts_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        empty = dict.fromkeys((name.upper() for name in Settings.model_fields), "")
        monkeypatch.setattr("os.environ", clean_environment(**empty))
        assert Settings() == Settings.model_construct()

    def test_lists_are_separated_by_commas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.environ", clean_environment(CORS_ORIGINS="https://a.example, https://b.example,"))
        assert Settings().cors_origins == ("https://a.example", "https://b.example")

    def test_settings_are_immutable(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Settings().port = 1  # type: ignore[misc]

    def test_representation_contains_no_secret(self) -> None:
        settings = Settings(**SAFE)
        assert settings.database_url == SecretStr(SAFE["database_url"])
        assert SAFE["secret_key"] not in repr(settings)
        assert SAFE["database_url"] not in repr(settings)

    @pytest.mark.parametrize(("value", "expected"), [("/tt", "/tt"), ("/tt/", "/tt"), ("/", ""), ("/a/b.c", "/a/b.c")])
    def test_root_path_may_end_with_a_slash(self, value: str, expected: str) -> None:
        assert Settings(root_path=value).root_path == expected

    @pytest.mark.parametrize(
        "path", ["tt", "//tt", "/a b", "/a/../b", "/.", '/"', "/%74", "/t?", "http://x/tt", "/tt\n"]
    )
    def test_invalid_root_path_is_refused(self, path: str) -> None:
        with pytest.raises(ValidationError, match="must start with /"):
            Settings(root_path=path)

    @pytest.mark.parametrize("path", ["/api", "/api/v1", "/docs", "/health", "/openapi.json"])
    def test_root_path_that_is_a_prefix_of_an_own_path_is_refused(self, path: str) -> None:
        with pytest.raises(ValidationError, match="is the beginning of"):
            Settings(root_path=path)

    @pytest.mark.parametrize("wrong", [{"port": 0}, {"workers": 0}, {"api_prefix": "api"}, {"algorithm": "none"}])
    def test_invalid_value_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Settings(**wrong)


class TestSecretFile:
    def test_every_secret_has_a_file_setting(self) -> None:
        secrets = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
        assert secrets == set(SECRETS)
        assert {f"{name}_file" for name in secrets} <= Settings.model_fields.keys()

    @pytest.mark.parametrize("name", SECRETS)
    @pytest.mark.parametrize("place", ["environment", "file"])
    def test_file_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
        (tmp_path / "secret").write_text("mongodb://correct-horse-battery-staple/\n")
        variable = f"{name.upper()}_FILE"
        if place == "file":
            (tmp_path / ".env").write_text(f"{variable}={tmp_path / 'secret'}\n")
        else:
            monkeypatch.setattr("os.environ", clean_environment(**{variable: tmp_path / "secret", name.upper(): ""}))
        assert getattr(Settings(), name) == SecretStr("mongodb://correct-horse-battery-staple/")

    def test_production_checks_a_secret_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SAFE["secret_key"])
        others = {name: value for name, value in SAFE.items() if name != "secret_key"}
        assert Settings(**others, secret_key_file=tmp_path / "secret").environment == "production"
        (tmp_path / "secret").write_text("correct-horse")
        with pytest.raises(ValidationError, match="shorter than 32 bytes"):
            Settings(**others, secret_key_file=tmp_path / "secret")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(None, "cannot be read: No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "cannot be read")],
    )
    def test_unreadable_or_empty_file_is_an_error(self, tmp_path: Path, content: bytes | None, reason: str) -> None:
        if content is not None:
            (tmp_path / "secret").write_bytes(content)
        with pytest.raises(ValidationError, match=f"SECRET_KEY_FILE .*secret {reason}"):
            Settings(secret_key_file=tmp_path / "secret")

    def test_secret_in_a_file_and_in_a_setting_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("correct-horse")
        with pytest.raises(ValidationError, match="SECRET_KEY and SECRET_KEY_FILE are both set") as refused:
            Settings(secret_key_file=tmp_path / "secret", secret_key=SecretStr("battery-staple"))
        assert "correct-horse" not in str(refused.value)
        assert "battery-staple" not in str(refused.value)


class TestProduction:
    def test_starts_with_a_database_and_a_key(self) -> None:
        assert Settings(**SAFE).environment == "production"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"database_url": None}, "needs DATABASE_URL"),
            ({"secret_key": None}, "needs SECRET_KEY"),
            ({"secret_key": "0c4f1f9b6a7e4d20b8f3a1c5d7e9042"}, "shorter than 32 bytes"),
            ({"secret_key": "changeme-0c4f1f9b6a7e4d20b8f3a1c5d7e9"}, "placeholder"),
            ({"secret_key": "a" * 64}, "placeholder"),
        ],
    )
    def test_unsafe_setting_is_refused(self, change: dict[str, Any], reason: str) -> None:
        with pytest.raises(ValidationError, match=reason) as refused:
            Settings(**(SAFE | change))
        assert str(change.get("secret_key")) not in str(refused.value)

    def test_development_needs_no_key(self) -> None:
        assert Settings(environment="development").secret_key is None
