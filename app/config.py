"""The settings. Only this module reads the environment and the .env file."""

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
_MIN_DISTINCT_BYTES = 8
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_OWN_PATHS = ("/docs", "/health", "/manifest.webmanifest", "/openapi.json", "/page", "/sw.js")
"""The paths of the service outside API_PREFIX."""

_STORE_VARIABLES = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "USER"})
_STORE_PREFIXES = (
    *("LC_", "XDG_"),
    *("LD_", "DYLD_", "MALLOC_", "GLIBC_"),  # the dynamic loader and memory allocator
    *("PYTHON", "COVERAGE_"),  # the interpreter, and test coverage
    *("SECANTUS_", "WIREDTIGER_"),  # the store itself
)


def _prefix(value: str) -> str:
    if value and (not value.startswith("/") or value.endswith("/")):
        raise ValueError("must start with / and must not end with /")
    return value


def _root_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not _ROOT_PATH.fullmatch(path):
        raise ValueError("must start with /, and may contain only letters, digits, / and . _ ~ -, for example /tt")
    return path


SECRETS = ("database_url", "secret_key")
"""The settings that can be read from a file, named by the setting with the suffix _FILE (Docker secrets)."""


class Settings(BaseSettings):
    """All settings, read once at start-up from the environment and from ./.env.

    The environment has precedence. An empty variable is an unset one. Raises pydantic's ValidationError
    with a sentence for each invalid value, in production also if the service would be unsafe.
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
    argon2_memory_kib: int = Field(default=65_536, ge=19_456, le=4 * 1024 * 1024)
    argon2_rounds: int = Field(default=3, ge=2, le=100)
    registration_open: bool = True
    rate_limits_enabled: bool = True
    sign_ins_per_minute_by_email: int = Field(default=10, ge=1)
    sign_ins_per_minute_by_address: int = Field(default=60, ge=1)
    registrations_per_hour_by_address: int = Field(default=20, ge=1)
    refreshes_per_minute_by_address: int = Field(default=30, ge=1)
    public_reads_per_minute_by_address: int = Field(default=120, ge=1)
    audit_keep_days: int = Field(default=365, ge=1, le=3650)
    changes_enabled: bool = True
    changes_keep_days: int = Field(default=30, ge=1, le=3650)
    requests_per_minute_by_user: int = Field(default=1200, ge=1)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()

    webhooks_allow_http: bool = False
    webhooks_allow_private: bool = False

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
    def _read_secret_files(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        secrets = {name: _read_secret(name, values[f"{name}_file"]) for name in SECRETS if values.get(f"{name}_file")}
        for name in secrets:
            if values.get(name):
                raise ValueError(f"{name.upper()} and {name.upper()}_FILE are both set: leave one of them out")
        return values | secrets

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _refuse_ambiguous_root_path(self) -> Self:
        # Otherwise it would be unclear whether the proxy has removed the prefix from such a path.
        for path in (self.api_prefix, *_OWN_PATHS) if self.root_path else ():
            if f"{path}/".startswith(f"{self.root_path}/"):
                raise ValueError(
                    f"ROOT_PATH {self.root_path} is the beginning of {path}, which is a path of the service"
                )
        return self

    @model_validator(mode="after")
    def _refuse_unsafe_production(self) -> Self:
        if self.environment != "production":
            return self
        if self.database_url is None:
            raise ValueError("ENVIRONMENT=production needs DATABASE_URL: the embedded store is not for production")
        if self.secret_key is None:
            raise ValueError("ENVIRONMENT=production needs SECRET_KEY: generate one with openssl rand -hex 32")
        _refuse_weak_key(self.secret_key.get_secret_value())
        return self


def _read_secret(name: str, file: str | Path) -> str:
    """Return the content of the file without trailing line breaks. Raises ValueError if it is empty or unreadable."""
    try:
        secret = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{name.upper()}_FILE {file} cannot be read: {reason}") from None
    if not secret:
        raise ValueError(f"{name.upper()}_FILE {file} is empty")
    return secret


def _refuse_weak_key(key: str) -> None:
    encoded = key.encode()
    if len(encoded) < MIN_SECRET_KEY_LENGTH:
        raise ValueError(
            f"SECRET_KEY is shorter than {MIN_SECRET_KEY_LENGTH} bytes: generate one with openssl rand -hex 32"
        )
    if len(set(encoded)) < _MIN_DISTINCT_BYTES or any(word in key.lower() for word in _PLACEHOLDER_WORDS):
        raise ValueError("SECRET_KEY is a placeholder: generate one with openssl rand -hex 32")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process."""
    return Settings()


def store_environment() -> dict[str, str]:
    """Return the environment of the embedded store: what a program needs to run, and no secrets.

    It is an allowlist, because any other variable may contain a secret.
    """
    return {name: value for name, value in os.environ.items() if _is_store_variable(name)}


def _is_store_variable(name: str) -> bool:
    return name in _STORE_VARIABLES or name.startswith(_STORE_PREFIXES)
