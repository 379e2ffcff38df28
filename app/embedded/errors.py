"""The errors of the embedded store."""

from app.errors import CommandError


class EmbeddedStoreError(CommandError):
    """The embedded store cannot be used. The message is one sentence for the user who started it."""


class DataDirectoryInUseError(EmbeddedStoreError):
    """Another copy of Task Timer uses the data directory."""
