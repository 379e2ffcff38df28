"""The page and its files over HTTP: caching, compression, headers and links."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.main import create_app
from app.static.javascript import static_imports
from app.static.page import FOLDER, PageFiles, page_files
from tests.conftest import Database
from tests.contract.http.security_headers import assert_security_headers
from tests.support.http import Client
from tests.support.services import serving_another

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types task-timer"
)
DOCUMENTS = {"/": "text/html", "/manifest.webmanifest": "application/manifest+json", "/sw.js": "text/javascript"}
MAX_FIRST_LOAD_BYTES = 100_000
MAX_HEADER_BYTES = 400
FILE_HEADERS = {
    *("date", "etag", "vary", "cache-control", "content-encoding", "content-length", "content-type"),
    *("x-content-type-options", "cross-origin-resource-policy", "x-request-id"),
}
"""The response headers of a compressed file of the page."""

FIRST_VIEW = "views/today/today.js"
ROOT = "/tt"


@pytest.fixture
async def root(address: str) -> AsyncIterator[Client]:
    """A client at the root of the service."""
    async with Client(base_url=address) as client:
        yield client


@pytest.fixture
async def below_root_path(settings: Settings, database: Database, empty_service: str) -> AsyncIterator[str]:
    """The URL of a service with ROOT_PATH."""
    assert empty_service
    app = create_app(settings.model_copy(update={"root_path": ROOT}))
    async with serving_another(app, database) as address:
        yield address


def links(html: str) -> list[str]:
    """Return the URLs of the files that the page loads."""
    return re.findall(r'(?:src|href)="([^"#]+)"', html)


async def sent(client: Client, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Return the response, and its body without decompression."""
    async with client.stream("GET", path, headers={"accept-encoding": "gzip", **headers}) as response:
        return response, b"".join([piece async for piece in response.aiter_raw()])


async def first_load(client: Client, *more: str) -> dict[str, tuple[int, int]]:
    """Return the bytes of the compressed body and of the headers of the page, of the files it links to, and of more."""
    _, body = await sent(client, "/")
    paths = {*links(gzip.decompress(body).decode()), *more}
    responses = {path: await sent(client, f"/{path}") for path in paths}
    assert all(response.status_code == 200 for response, _ in responses.values())
    sizes = {path: (len(content), header_bytes(response)) for path, (response, content) in responses.items()}
    return sizes | {"index.html": (len(body), 0)}


def header_bytes(response: httpx.Response) -> int:
    """Return the bytes of the header fields in HTTP/1.1."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in response.headers.raw)


class TestDocuments:
    @pytest.mark.parametrize("path", DOCUMENTS)
    async def test_document_is_revalidated_with_its_etag(self, root: Client, path: str) -> None:
        response = await root.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == DOCUMENTS[path]
        assert response.headers["cache-control"] == "no-cache"
        assert_security_headers(response)
        etag = response.headers["etag"]
        assert re.fullmatch(r'"[\w-]+"', etag)
        again = await root.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)

    @pytest.mark.parametrize("path", ["/", "/sw.js"])
    async def test_page_and_service_worker_have_the_strict_policy(self, root: Client, path: str) -> None:
        assert (await root.get(path)).headers["content-security-policy"] == POLICY

    @pytest.mark.parametrize("path", DOCUMENTS)
    async def test_head_is_get_without_the_body(self, root: Client, path: str) -> None:
        head, get = await root.head(path), await root.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "x-request-id": "", "date": ""} == {**get.headers, "x-request-id": "", "date": ""}

    async def test_no_placeholder_remains(self, root: Client) -> None:
        for path in DOCUMENTS:
            assert not re.search(r"\{(hash|modulepreload|files|api)\}", (await root.get(path)).text), path

    async def test_manifest_is_json_and_its_icons_exist(self, root: Client) -> None:
        manifest = (await root.get("/manifest.webmanifest")).json()
        assert manifest["start_url"] == "./"
        for icon in manifest["icons"]:
            assert (await root.get(f"/{icon['src']}")).headers["content-type"].startswith(icon["type"])

    async def test_service_worker_stores_all_files(self, root: Client) -> None:
        (literal,) = re.findall(r"JSON\.parse\((\".+\")\)", (await root.get("/sw.js")).text)
        stored = set(json.loads(json.loads(literal)))
        served = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
        assert served - stored <= {*(name.removeprefix("/") or "index.html" for name in DOCUMENTS), "types.d.ts"}
        assert stored <= served
        for name in stored:
            assert (await root.get(f"/page/{page_files().digest}/{name}")).status_code == 200

    async def test_page_is_in_html_without_scripts_and_styles_of_its_own(self, root: Client) -> None:
        html = (await root.get("/")).text
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html)


class TestFiles:
    async def test_all_links_of_the_page_are_relative_and_served(self, root: Client) -> None:
        response = await root.get("/")
        for link in links(response.text):
            assert not re.match(r"/|[a-z]+:", link)
            assert (await root.get(f"/{link}")).status_code == 200, link

    async def test_file_is_immutable_for_a_year(self, root: Client) -> None:
        response = await root.get(f"/page/{page_files().digest}/main.js")
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        etag = response.headers["etag"]
        again = await root.get(f"/page/{page_files().digest}/main.js", headers={"If-None-Match": etag})
        assert (again.status_code, again.headers["cache-control"]) == (304, response.headers["cache-control"])

    async def test_file_has_only_the_headers_that_a_browser_needs(self, root: Client) -> None:
        response, _ = await sent(root, f"/page/{page_files().digest}/main.js")
        assert set(response.headers) == FILE_HEADERS
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert_security_headers(await root.get(f"/page/{page_files().digest}/nothing.js"))

    @pytest.mark.parametrize(
        "path",
        [
            *("/page", "/page/", "/page/{hash}", "/page/{hash}/", "/page/0000000000000000/main.js", "/page/main.js"),
            *("/page/{hash}/nothing.js", "/page/{hash}/index.html", "/page/{hash}/sw.js", "/page/{hash}/types.d.ts"),
            *("/page/{hash}/..%2f__init__.py", "/page/{hash}/%2e%2e/config.py", "/page/{hash}//main.js"),
            *("/main.js", "/index.html", "/favicon.ico"),
        ],
    )
    async def test_anything_else_is_404(self, root: Client, path: str) -> None:
        response = await root.get(path.format(hash=page_files().digest))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    async def test_file_is_compressed_if_the_client_accepts_it(self, root: Client) -> None:
        path = max(page_files().immutable, key=lambda name: len(page_files().files[name]))
        for url in ("/", f"/page/{page_files().digest}/{path}"):
            packed, compressed = await sent(root, url)
            plain, content = await sent(root, url, **{"accept-encoding": "identity"})
            assert packed.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
            assert packed.headers["etag"] != plain.headers["etag"]
            assert gzip.decompress(compressed) == content

    async def test_first_load_has_at_most_100_kilobytes(self, root: Client) -> None:
        sizes = await first_load(root)
        assert sum(body for body, _ in sizes.values()) <= MAX_FIRST_LOAD_BYTES, sizes

    async def test_first_load_of_a_signed_in_user_has_at_most_100_kilobytes(self, root: Client) -> None:
        files = page_files()
        sources = {name: files.files[name].decode() for name in files.immutable if name.endswith(".js")}
        modules = {*files.signed_in_modules, FIRST_VIEW, *static_imports(FIRST_VIEW, sources), "text/en.js"}
        sizes = await first_load(root, *(f"page/{files.digest}/{name}" for name in modules))
        assert sum(body for body, _ in sizes.values()) <= MAX_FIRST_LOAD_BYTES, sizes
        assert all(headers <= MAX_HEADER_BYTES for path, (_, headers) in sizes.items() if path.startswith("page/")), (
            sizes
        )

    async def test_documents_and_files_are_not_in_the_openapi_document(self, root: Client) -> None:
        paths = (await root.get("/openapi.json")).json()["paths"]
        assert not [path for path in paths if path.startswith("/page") or path in DOCUMENTS]


class TestHash:
    def test_hash_changes_with_the_name_and_the_content_of_each_file(self, tmp_path: Path) -> None:
        def digest(name: str, content: str) -> str:
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
            result = PageFiles.read(tmp_path).digest
            file.unlink()
            return result

        contents = [("main.js", ""), ("main.js", "1"), ("other.js", "1"), ("views/main.js", "1"), ("index.html", "1")]
        digests = [digest(*content) for content in contents]
        assert len({*digests, PageFiles.read(tmp_path).digest}) == len(contents) + 1
        assert digests[0] == digest("main.js", "")
        assert all(re.fullmatch(r"[0-9a-f]{16}", value) for value in digests)

    def test_files_of_unknown_types_are_ignored(self, tmp_path: Path) -> None:
        (tmp_path / "types.d.ts").touch()
        (tmp_path / ".main.js.swp").touch()
        assert PageFiles.read(tmp_path).files == {}


class TestStaticImports:
    def test_are_found_transitively_and_once(self) -> None:
        sources = {
            "main.js": 'import { a } from "./lib/a.js";\nimport "./views/b.js";\nimport("./views/late.js");\n',
            "lib/a.js": "/** @typedef {import('./none.js').X} X */\nexport const a = () => `import '${1}'`;\n",
            "views/b.js": "import {\n  a,\n  c as d,\n} from '../lib/a.js';\nexport * from \"./shared/c.js\";\n",
            "views/shared/c.js": "export const text = 'from \"./nothing.js\"';\nexport { a } from '../../lib/a.js';\n",
            "views/late.js": 'import "./b.js";\n',
        }
        assert static_imports("main.js", sources) == ["lib/a.js", "views/b.js", "views/shared/c.js"]

    def test_missing_module_is_an_error_that_names_both(self) -> None:
        with pytest.raises(FileNotFoundError, match=r"views/a\.js imports \./b\.js, which does not exist"):
            static_imports("views/a.js", {"views/a.js": 'import "./b.js";'})

    def test_all_modules_of_the_page_exist(self) -> None:
        """Modules that are loaded later are checked too."""
        sources = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.js")}
        for module in sources:
            assert set(static_imports(module, sources)) <= set(sources)


class TestSubPath:
    @pytest.mark.parametrize("prefix", ["", ROOT], ids=["prefix-removed", "prefix-kept"])
    async def test_page_and_its_files_are_served_below_the_root_path(self, below_root_path: str, prefix: str) -> None:
        async with Client(base_url=below_root_path) as client:
            page = await client.get(f"{prefix}/")
            assert page.status_code == 200
            assert '<meta name="api" content="api/v1"' in page.text
            for link in links(page.text):
                assert (await client.get(f"{prefix}/{link}")).status_code == 200, link

    async def test_root_path_without_its_slash_redirects_to_the_page(self, below_root_path: str) -> None:
        async with Client(base_url=below_root_path) as client:
            response = await client.get(ROOT)
            assert (response.status_code, response.headers["location"]) == (308, f"{ROOT}/")

    @pytest.mark.parametrize(("prefix", "content"), [("", "."), ("/api/v1", "api/v1"), ("/a/b-c", "a/b-c")])
    def test_api_prefix_is_relative_to_the_page(self, prefix: str, content: str) -> None:
        html = page_files().fill("index.html", prefix).decode()
        assert f'<meta name="api" content="{content}"' in html
