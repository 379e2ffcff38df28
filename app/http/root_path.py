"""The sub-path that a reverse proxy serves the application at, ROOT_PATH."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Takes requests below ROOT_PATH, whether the proxy has left the prefix on their path or taken it off.

    What follows sees both in the form that ASGI has: `path` with the prefix, and `root_path`.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if "path" in scope:
            scope = {**scope, "path": full_path(self.root_path, scope["path"]), "root_path": self.root_path}
        await self.app(scope, receive, send)


def full_path(root_path: str, path: str) -> str:
    """The path with ROOT_PATH before it, once."""
    if not root_path or path.startswith(f"{root_path}/"):
        return path
    return f"{root_path}/" if path == root_path else root_path + path


def own_path(scope: Any) -> str:
    """The path of a request without ROOT_PATH: what routes are known by."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
