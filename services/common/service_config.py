"""The public configuration of the service, which a client may read without signing in."""

from functools import cache
from importlib.metadata import version

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from app.config import Settings


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Task Timer", "version": "0.1.0", "registration_open": True, "docs_url": "/docs"},
            ]
        },
    )
)
class ServiceConfig(TypedDict):
    """The service: `docs_url` is the path of its docs page, ROOT_PATH included."""

    name: str
    version: str
    registration_open: bool
    docs_url: str


@cache
def _version() -> str:
    return version("task-timer")


def read_config(settings: Settings) -> ServiceConfig:
    """Return the public configuration for these settings."""
    return {
        "name": settings.app_name,
        "version": _version(),
        "registration_open": settings.registration_open,
        "docs_url": f"{settings.root_path}/docs",
    }
