"""The sub-path at which a reverse proxy serves the application: ROOT_PATH.

Requests below it are accepted whether or not the proxy has removed the prefix. The application sees both in the form
that ASGI specifies: `path` with the prefix, and `root_path`.
"""

from typing import Any


def full_path(root_path: str, path: str) -> str:
    """Return the path with ROOT_PATH as its prefix."""
    if not root_path or path.startswith(f"{root_path}/"):
        return path
    return f"{root_path}/" if path == root_path else root_path + path


def own_path(scope: Any) -> str:
    """Return the path of a request without ROOT_PATH, as routes declare it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
