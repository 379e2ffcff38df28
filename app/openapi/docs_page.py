"""The docs page. Its scripts and styles are served from here, so that it works without internet access."""

import asyncio
from functools import cache
from pathlib import Path

import fastapi_swagger
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.errors import NotFoundError
from app.static.content import StaticContent

_ASSETS = Path(fastapi_swagger.__file__).parent / "resources"
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_CACHE_CONTROL = "public, max-age=3600"
"""The assets change only with the version of the service. Browsers revalidate them after an hour."""

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)


def install_docs_page(app: FastAPI, *, root_path: str) -> None:
    """Serve the page at /docs and its assets below /docs/assets. `root_path` is the prefix of its links."""
    assets = f"{root_path}/docs/assets"
    page = get_swagger_ui_html(
        openapi_url=f"{root_path}/openapi.json",
        title=f"{app.title}: the API",
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon-32x32.png",
        swagger_ui_parameters={"persistAuthorization": True},
    )
    headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY}

    @app.get("/docs", include_in_schema=False)
    async def docs_page() -> HTMLResponse:
        return HTMLResponse(page.body, headers=headers)

    @app.get("/docs/assets/{name}", include_in_schema=False)
    async def docs_asset(request: Request, name: str) -> Response:
        if name not in _MEDIA_TYPES:
            raise NotFoundError
        content = await asyncio.to_thread(_asset, name)
        return content.response(request, cache_control=_CACHE_CONTROL)


@cache
def _asset(name: str) -> StaticContent:
    return StaticContent.create((_ASSETS / name).read_bytes(), _MEDIA_TYPES[name])
