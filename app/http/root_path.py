"""The sub-path at which a reverse proxy serves the application: ROOT_PATH."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Middleware that accepts requests below ROOT_PATH, whether or not the proxy has removed the prefix.

    The rest of the application sees both in the form that ASGI specifies: `path` with the prefix, and `root_path`.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if "path" in scope:
            scope = {**scope, "path": full_path(self.root_path, scope["path"]), "root_path": self.root_path}
        await self.app(scope, receive, send)


def full_path(root_path: str, path: str) -> str:
    """Return the path with ROOT_PATH as its prefix."""
    if not root_path or path.startswith(f"{root_path}/"):
        return path
    return f"{root_path}/" if path == root_path else root_path + path


def own_path(scope: Any) -> str:
    """Return the path of a request without ROOT_PATH, as routes declare it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
