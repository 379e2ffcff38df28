"""The web page, a client of the API: its files in app/page, at URLs that contain a hash of all of them.

A browser stores the files at /page/HASH/ for a year. Only the documents at fixed URLs are revalidated: the page itself,
its manifest and its service worker. Every link is relative, so that the page works at any ROOT_PATH.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from pathlib import Path
from typing import Self

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.errors import NotFoundError
from app.static.content import StaticContent
from app.static.javascript import static_imports

FOLDER = Path(__file__).parents[1] / "page"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""The media types of the files. A file with another extension is not served."""

PAGE, MANIFEST, SERVICE_WORKER = "index.html", "manifest.webmanifest", "sw.js"
TEMPLATES = (PAGE, MANIFEST, SERVICE_WORKER)
"""The files with fixed URLs. They contain placeholders, for example {hash}."""

ENTRY_MODULE, SIGNED_IN_MODULE = "main.js", "signed_in.js"
HASH_DIGITS = 16

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types task-timer"
)
"""The policy of the page, and of the requests of its service worker."""

_REVALIDATED = "no-cache"
_IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class PageFiles:
    """The content of each file by its path in the folder, and the hash of all of them."""

    files: Mapping[str, bytes]
    digest: str

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """Read all files of the folder that are served."""
        paths = sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return cls(files, digest.hexdigest()[:HASH_DIGITS])

    @property
    def immutable(self) -> list[str]:
        """The paths of the files whose URLs contain the hash."""
        return [name for name in self.files if name not in TEMPLATES]

    @cached_property
    def first_modules(self) -> list[str]:
        """The modules that the page needs to start, besides main.js."""
        return static_imports(ENTRY_MODULE, self._scripts)

    @cached_property
    def signed_in_modules(self) -> list[str]:
        """The modules that the page of a signed-in user needs in addition."""
        modules = [SIGNED_IN_MODULE, *static_imports(SIGNED_IN_MODULE, self._scripts)]
        return [name for name in modules if name not in self.first_modules]

    @cached_property
    def _scripts(self) -> dict[str, str]:
        return {name: self.files[name].decode() for name in self.immutable if name.endswith(".js")}

    def fill(self, template: str, api_prefix: str) -> bytes:
        """Return a template with the values of its placeholders."""
        links = [f'<link rel="modulepreload" href="page/{self.digest}/{name}">' for name in self.first_modules]
        values = {
            "hash": self.digest,
            "modulepreload": "\n    ".join(links),
            "signed_in": " ".join(self.signed_in_modules),
            "files": json.dumps(json.dumps(self.immutable))[1:-1],  # inside a string literal with double quotes
            "api": escape(api_prefix.lstrip("/") or "."),
        }
        text = self.files[template].decode()
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text.encode()


@cache
def page_files() -> PageFiles:
    """Return the files as they are at the first call. The service calls this when it starts."""
    return PageFiles.read()


def install_page(app: FastAPI, *, root_path: str, api_prefix: str) -> None:
    """Serve the page at /, its files below /page, and its manifest and service worker next to it."""

    async def document(request: Request, template: str) -> Response:
        content = await asyncio.to_thread(_document, template, api_prefix)
        response = content.response(request, cache_control=_REVALIDATED)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if root_path and request.scope["raw_path"].decode() == root_path:
            return RedirectResponse(f"{root_path}/", 308)  # relative links need the slash
        return await document(request, PAGE)

    @app.get(f"/{MANIFEST}", include_in_schema=False)
    async def page_manifest(request: Request) -> Response:
        return await document(request, MANIFEST)

    @app.get(f"/{SERVICE_WORKER}", include_in_schema=False)
    async def page_service_worker(request: Request) -> Response:
        return await document(request, SERVICE_WORKER)

    @app.get("/page/{digest}/{name:path}", include_in_schema=False)
    async def page_file(request: Request, digest: str, name: str) -> Response:
        if digest != page_files().digest or name not in page_files().immutable:
            raise NotFoundError
        request.scope["is_page_file"] = True
        content = await asyncio.to_thread(_file, name)
        return content.response(request, cache_control=_IMMUTABLE)


@cache
def _document(template: str, api_prefix: str) -> StaticContent:
    return StaticContent.create(page_files().fill(template, api_prefix), MEDIA_TYPES[Path(template).suffix])


@cache
def _file(name: str) -> StaticContent:
    return StaticContent.create(page_files().files[name], MEDIA_TYPES[Path(name).suffix])
