"""The docs page and its assets: links, content security policy, compression, caching."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from tests.support.http import Client, problem

BUNDLE = "/docs/assets/swagger-ui-bundle.js"
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
async def page(address: str) -> AsyncIterator[Client]:
    """A client at the root of the service."""
    async with Client(base_url=address) as client:
        yield client


async def raw(page: Client, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Return the response, and its body as it was sent, without decompression."""
    async with page.stream("GET", path, headers={"accept-encoding": "", **headers}) as response:
        return response, b"".join([piece async for piece in response.aiter_raw()])


class TestAssets:
    @pytest.mark.parametrize(
        ("path", "media_type"),
        [
            (BUNDLE, "text/javascript"),
            ("/docs/assets/swagger-ui.css", "text/css"),
            ("/openapi.json", "application/json"),
        ],
    )
    async def test_asset_is_compressed_if_the_client_accepts_it(self, page: Client, path: str, media_type: str) -> None:
        plain, content = await raw(page, path)
        packed, compressed = await raw(page, path, **{"accept-encoding": "br, gzip;q=0.5"})
        assert plain.headers["content-type"].partition(";")[0] == media_type
        assert packed.headers["content-type"] == plain.headers["content-type"]
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(compressed) == content
        assert len(compressed) == int(packed.headers["content-length"]) < len(content) / 3
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
        assert plain.headers["etag"] != packed.headers["etag"]

    async def test_assets_have_less_than_half_a_megabyte(self, page: Client) -> None:
        assets = (BUNDLE, "/docs/assets/swagger-ui.css", "/docs/assets/favicon-32x32.png")
        sizes = [len((await raw(page, path, **{"accept-encoding": "gzip"}))[1]) for path in assets]
        assert sum(sizes) < 500_000

    @pytest.mark.parametrize(
        ("accept_encoding", "compressed"),
        [
            *(("gzip", True), ("GZIP", True), ("x-gzip", True), ("*", True), ("deflate, gzip;q=1.0", True)),
            *(("gzip ; q=0.001", True), ("gzip;q=0", False), ("gzip; q=0.000", False), ("identity", False)),
            *(("", False), ("br", False), ("*;q=0", False), ("gzip;q=0, *", False), ("gzipped", False)),
        ],
    )
    async def test_accept_encoding_is_respected(self, page: Client, accept_encoding: str, compressed: bool) -> None:
        response, _ = await raw(page, BUNDLE, **{"accept-encoding": accept_encoding})
        assert ("content-encoding" in response.headers) == compressed

    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    async def test_matching_if_none_match_is_304(self, page: Client, encoding: str) -> None:
        first, _ = await raw(page, BUNDLE, **{"accept-encoding": encoding})
        etag = first.headers["etag"]
        for if_none_match in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again, body = await raw(page, BUNDLE, **{"accept-encoding": encoding, "if-none-match": if_none_match})
            assert (again.status_code, body) == (304, b"")
            for name in ("etag", "vary", "cache-control"):
                assert again.headers[name] == first.headers[name]
            assert "content-encoding" not in again.headers
        other, body = await raw(page, BUNDLE, **{"accept-encoding": encoding, "if-none-match": '"other"'})
        assert (other.status_code, len(body)) == (200, int(first.headers["content-length"]))

    async def test_etag_of_another_encoding_does_not_match(self, page: Client) -> None:
        first, _ = await raw(page, BUNDLE, **{"accept-encoding": "gzip"})
        other, body = await raw(page, BUNDLE, **{"if-none-match": first.headers["etag"]})
        assert other.status_code == 200
        assert body

    async def test_assets_are_public_and_the_document_is_private(self, page: Client) -> None:
        response, _ = await raw(page, BUNDLE)
        assert response.headers["cache-control"] == "public, max-age=3600"
        assert (await raw(page, "/openapi.json"))[0].headers["cache-control"] == "private, no-cache"

    async def test_image_is_not_compressed(self, page: Client) -> None:
        response, body = await raw(page, "/docs/assets/favicon-32x32.png", **{"accept-encoding": "gzip"})
        assert not {"content-encoding", "vary"} & response.headers.keys()
        assert body.startswith(b"\x89PNG")

    async def test_other_asset_is_404(self, page: Client) -> None:
        for name in ("__init__.py", "swagger-ui.js", "__pycache__"):
            response = await page.get(f"/docs/assets/{name}")
            problem(response, 404, "not_found")


class Links(HTMLParser):
    """The links of a page, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"base", "iframe", "object", "embed", "form"}
        self.addresses += [value for name, value in attrs if name in {"href", "src", "srcset", "action"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


class TestDocsPage:
    async def test_every_link_leads_to_the_service(self, root: Client) -> None:
        response = await root.get("/docs")
        assert response.headers["content-type"].startswith("text/html")
        links = Links()
        links.feed(response.text)
        assert len(links.addresses) >= 3
        assert not re.search(r"(https?:)?//\w", response.text)
        for address in links.addresses:
            assert address.startswith("/docs/assets/")
            asset = await root.get(address)
            assert asset.status_code == 200
            assert asset.content
        media_types = {
            (await root.get(address)).headers["content-type"].partition(";")[0] for address in links.addresses
        }
        assert media_types == {"text/javascript", "text/css", "image/png"}
        assert "'/openapi.json'" in links.text

    async def test_policy_allows_no_other_host(self, root: Client) -> None:
        policy = (await root.get("/docs")).headers["content-security-policy"]
        sources = {source for rule in policy.split(";") for source in rule.split()[1:]}
        assert sources == {"'none'", "'self'", "'unsafe-inline'", "data:"}

    async def test_styles_load_nothing_from_other_hosts(self, root: Client) -> None:
        style = (await root.get("/docs/assets/swagger-ui.css")).text
        assert "@import" not in style
        addresses = re.findall(r"url\(\s*['\"]?([^'\")]{1,20})", style)
        assert all(address.startswith("data:") for address in addresses)

    async def test_openapi_document_is_served(self, root: Client, app: FastAPI) -> None:
        response = await root.get("/openapi.json")
        assert response.headers["content-type"] == "application/json"
        assert response.json() == json.loads(json.dumps(app.openapi()))
