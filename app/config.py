"""The settings: the only place that reads the environment and the .env file."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_KEY_LENGTH = 32
_PLACEHOLDER_WORDS = (
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-secret",
    "secret-key",
    "example",
)
_FEWEST_DISTINCT_BYTES = 8
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_OWN_PATHS = ("/docs", "/health", "/openapi.json")
"""What stands at the root, beside what API_PREFIX names."""

_STORE_VARIABLES = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "USER"})
_STORE_PREFIXES = (
    *("LC_", "XDG_"),
    *("LD_", "DYLD_", "MALLOC_", "GLIBC_"),  # how programs are loaded
    *("PYTHON", "COVERAGE_"),  # the interpreter, and the measuring of tests
    *("SECANTUS_", "WIREDTIGER_"),  # the store's own
)


def _prefix(value: str) -> str:
    if value and (not value.startswith("/") or value.endswith("/")):
        raise ValueError("starts with / and does not end with one")
    return value


def _root_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not _ROOT_PATH.fullmatch(path):
        raise ValueError("starts with / and has parts of letters, digits and . _ ~ - alone, such as /tt")
    return path


SECRETS = ("database_url", "secret_key")
"""The settings that may stand in a file, which the setting of the same name with _FILE names (Docker secrets)."""


class Settings(BaseSettings):
    """Every value that a user may want to change, read once at start-up.

    Read from the environment, then from ./.env; an empty variable is an unset one.
    Raises pydantic's ValidationError, with a sentence for each wrong value, and in
    production also when the service would start unsafely.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    app_name: str = "Task Timer"
    environment: Literal["development", "test", "production"] = "development"
    debug: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)

    database_url: SecretStr | None = None
    database_url_file: Path | None = None
    database_name: str = "task_timer_db"
    db_pool_size: int = Field(default=50, ge=1, le=1000)
    mongod_binary: Path | None = None
    embedded_data_dir: Path = Path("./data")
    embedded_port: int = Field(default=0, ge=0, le=65535)
    embedded_cache: str = Field(default="1G", pattern=r"^[1-9][0-9]{0,5}[KMG]$")
    embedded_patience_seconds: int = Field(default=20, ge=1, le=3600)

    api_prefix: Annotated[str, AfterValidator(_prefix)] = "/api/v1"
    root_path: Annotated[str, AfterValidator(_root_path)] = ""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    secret_key: SecretStr | None = None
    secret_key_file: Path | None = None
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    access_token_expire_minutes: int = Field(default=30, ge=1, le=1440)
    refresh_token_expire_days: int = Field(default=30, ge=1, le=365)
    registration_open: bool = True
    rate_limits_enabled: bool = True
    sign_ins_per_minute_by_email: int = Field(default=10, ge=1)
    sign_ins_per_minute_by_address: int = Field(default=60, ge=1)
    registrations_per_hour_by_address: int = Field(default=20, ge=1)
    refreshes_per_minute_by_address: int = Field(default=30, ge=1)
    audit_keep_days: int = Field(default=365, ge=1, le=3650)
    requests_per_minute_by_user: int = Field(default=1200, ge=1)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    max_import_bytes: int = Field(default=20 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)
    max_head_bytes: int = Field(default=64 * 1024, ge=1024, le=1024 * 1024)
    max_connections: int = Field(default=20_000, ge=1, le=1_000_000)
    request_head_seconds: int = Field(default=10, ge=1, le=3600)
    client_silence_seconds: int = Field(default=60, ge=1, le=3600)

    @model_validator(mode="before")
    @classmethod
    def _read_the_secrets_that_stand_in_files(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        found = {name: _secret(name, given[f"{name}_file"]) for name in SECRETS if given.get(f"{name}_file")}
        for name in found:
            if given.get(name):
                raise ValueError(f"{name.upper()} and {name.upper()}_FILE are both set: leave one of them out")
        return given | found

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _refuse_an_ambiguous_root(self) -> Self:
        # Else nobody could tell whether a proxy has taken the prefix off a path that begins with it.
        for path in (self.api_prefix, *_OWN_PATHS) if self.root_path else ():
            if f"{path}/".startswith(f"{self.root_path}/"):
                raise ValueError(f"ROOT_PATH {self.root_path} is the beginning of {path}, a path of the service's own")
        return self

    @model_validator(mode="after")
    def _refuse_an_unsafe_production(self) -> Self:
        if self.environment != "production":
            return self
        if self.database_url is None:
            raise ValueError("ENVIRONMENT=production needs DATABASE_URL: the embedded store is for trying out")
        if self.secret_key is None:
            raise ValueError("ENVIRONMENT=production needs SECRET_KEY: make one with openssl rand -hex 32")
        _refuse_a_weak_key(self.secret_key.get_secret_value())
        return self


def _secret(name: str, file: str | Path) -> str:
    """What the file says, without the end of its line. Raises ValueError when it says nothing."""
    try:
        secret = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(f"{name.upper()}_FILE {file} cannot be read: {reason}") from None
    if not secret:
        raise ValueError(f"{name.upper()}_FILE {file} is empty")
    return secret


def _refuse_a_weak_key(key: str) -> None:
    encoded = key.encode()
    if len(encoded) < MIN_SECRET_KEY_LENGTH:
        raise ValueError(
            f"SECRET_KEY is shorter than {MIN_SECRET_KEY_LENGTH} bytes: make one with openssl rand -hex 32"
        )
    if len(set(encoded)) < _FEWEST_DISTINCT_BYTES or any(word in key.lower() for word in _PLACEHOLDER_WORDS):
        raise ValueError("SECRET_KEY is a placeholder: make one with openssl rand -hex 32")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()


def store_environment() -> dict[str, str]:
    """The variables that the embedded store may see: what a program needs to run, and no secrets.

    They are named one by one, since nobody can tell which of the others hold a secret.
    """
    return {name: value for name, value in os.environ.items() if _is_for_the_store(name)}


def _is_for_the_store(name: str) -> bool:
    return name in _STORE_VARIABLES or name.startswith(_STORE_PREFIXES)
