"""The rules of the source of the page, app/page. docs/architecture.rst describes them; each failure names the file."""

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator

from app.database.client import OPERATION_TIMEOUT_MS
from app.static.javascript import static_imports
from app.static.page import FOLDER
from services.common.concurrency import CONTENTION_SECONDS, TURN_SECONDS

MAX_MODULES_PER_FOLDER = 12
MAX_LINES_PER_MODULE = 400
MAX_LINES_OF_LIB = 400
CATALOGUES = {"text/en.js", "text/de.js"}
"""All texts of a language: their length is not limited."""

LAYERS = (
    {"main.js"},
    {"signed_in.js"},
    {"background.js"},
    {"preload.js"},
    {"view.js"},
    {"views"},
    {"parts"},
    {"store"},
    {"api.js", "busy.js", "event_stream.js", "route.js", "service_clock.js", "service_worker.js"},
    {"time"},
    {"text"},
    {"lib"},
)
"""A module imports only modules of its own layer and of those below. The service worker imports nothing."""

NETWORK = re.compile(r"\b(?:fetch\(|EventSource\b|XMLHttpRequest\b|WebSocket\b|sendBeacon\b|importScripts\b)")
REQUESTS = {"request", "download", "openStream"}
"""The functions of api.js that send requests. Only the store calls them."""

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment|DOMParser|document\.write"
    r"|\beval\(|new Function\(|\.on[a-z]+ = \"|javascript:"
    r"|cssText|\"style\"|\bstyle: (?!\"(?:currency|percent|unit|long|short|narrow|digital)\")"
)
"""What could turn text into markup or script, and what the content security policy blocks."""

IMPORT = re.compile(r"""^\s*(?:import|export)\b(?:[^"'()`;]*?\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
CALL = re.compile(r"\bt\(((?:[^()]|\([^()]*\))*)\)")
"""A call of t(), with its arguments."""

KEY = re.compile(r"[\"'`]([a-z_]+(?:\.[a-z_]+)+)[\"'`]")
TEXT = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+)":\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'),')
PLURAL = re.compile(r"\.(?:zero|one|two|few|many|other)$")


def modules() -> dict[str, str]:
    """Return the source of each module, by its path in the folder."""
    return {path.relative_to(FOLDER).as_posix(): path.read_text() for path in sorted(FOLDER.rglob("*.js"))}


def code_of(source: str) -> str:
    """Return the source without comments."""
    return re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", source, flags=re.DOTALL)


def layer(path: str) -> int:
    first = path.split("/", maxsplit=1)[0]
    return next(number for number, names in enumerate(LAYERS) if first in names)


def later_imports(path: str, source: str) -> Iterator[str]:
    """Return the modules that a module loads with import(), by their paths in the folder."""
    for target in re.findall(r"\bimport\(\s*[\"']([^\"']+)[\"']", code_of(source)):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def uses(pattern: re.Pattern[str], *allowed: str) -> Iterator[str]:
    """Return each use of the pattern in a module that is not allowed to."""
    for path, source in modules().items():
        if path not in allowed:
            yield from (f"{path} uses {match[0]}" for match in pattern.finditer(code_of(source)))


def texts(language: str) -> dict[str, str]:
    """Return the texts of a language by their keys."""
    found = TEXT.findall((FOLDER / "text" / f"{language}.js").read_text())
    assert len(found) > 50
    duplicates = [key for key, count in Counter(key for key, _ in found).items() if count > 1]
    assert not duplicates
    return {key: text[1:-1] if text[0] == "'" else json.loads(text) for key, text in found}


class TestSize:
    def test_folder_has_at_most_12_modules(self) -> None:
        counts = Counter(path.rpartition("/")[0] for path in modules())
        assert not {folder: count for folder, count in counts.items() if count > MAX_MODULES_PER_FOLDER}

    def test_module_has_at_most_400_lines(self) -> None:
        lengths = {path: len(source.splitlines()) for path, source in modules().items() if path not in CATALOGUES}
        assert not {path: length for path, length in lengths.items() if length > MAX_LINES_PER_MODULE}

    def test_library_has_at_most_400_lines(self) -> None:
        lengths = [len(source.splitlines()) for path, source in modules().items() if path.startswith("lib/")]
        assert sum(lengths) <= MAX_LINES_OF_LIB


class TestImports:
    def test_module_imports_only_from_its_own_layer_and_below(self) -> None:
        sources = modules()
        direct = {
            path: static_imports(path, {**dict.fromkeys(sources, ""), path: source})
            for path, source in sources.items()
            if path != "sw.js"
        }
        wrong = [
            f"{path} imports {target}"
            for path, targets in direct.items()
            for target in targets
            if layer(target) < layer(path)
        ]
        assert not wrong

    def test_service_worker_imports_nothing(self) -> None:
        assert "import" not in code_of(modules()["sw.js"])

    def test_modules_that_are_loaded_later_exist(self) -> None:
        for path, source in modules().items():
            for target in later_imports(path, source):
                assert (FOLDER / target).is_file(), f"{path} loads {target}"

    def test_modules_that_are_loaded_later_are_loaded_in_advance_without_a_service_worker(self) -> None:
        later = {path: set(later_imports(path, source)) for path, source in modules().items()}
        needed = {
            target for path, targets in later.items() if path.startswith(("views/", "parts/")) for target in targets
        }
        assert needed == later["preload.js"]

    def test_other_modules_use_what_a_module_exports(self) -> None:
        codes = {path: code_of(source) for path, source in modules().items()}
        words = {path: set(re.findall(r"\w+", code)) for path, code in codes.items()}
        unused = [
            f"{path} exports {name}"
            for path, code in codes.items()
            for name in EXPORT.findall(code)
            if not any(name in others for other, others in words.items() if other != path)
        ]
        assert not unused

    def test_there_is_no_other_code_than_that_of_the_page(self) -> None:
        for path, source in modules().items():
            targets = IMPORT.findall(code_of(source))
            assert not [target for target in targets if not re.fullmatch(r"(?:\./|(?:\.\./)+)[\w/]+\.js", target)], path


class TestRequests:
    def test_are_sent_by_api_js_alone(self) -> None:
        assert not list(uses(NETWORK, "api.js", "sw.js"))

    def test_are_not_sent_by_views_and_parts(self) -> None:
        for path, source in modules().items():
            if path.startswith(("views/", "parts/")):
                names = ",".join(re.findall(r"import \{([^}]*)\} from \"[./]*/api\.js\"", source))
                assert not REQUESTS & {name.split(" as ")[0].strip() for name in names.split(",")}, path


class TestMarkup:
    def test_is_never_created_from_text(self) -> None:
        assert not list(uses(MARKUP))


class TestTexts:
    def test_languages_have_the_same_keys_in_the_same_order(self) -> None:
        assert list(texts("en")) == list(texts("de"))

    def test_languages_have_the_same_parameters(self) -> None:
        english, german = texts("en"), texts("de")
        parameters = re.compile(r"\{\w+\}")
        assert not [key for key in english if {*parameters.findall(english[key])} ^ {*parameters.findall(german[key])}]

    def test_every_key_that_is_used_exists(self) -> None:
        keys = {name for key in texts("en") for name in (key, PLURAL.sub("", key))}
        groups = {key.split(".")[0] for key in keys}
        missing = {f"{path} uses {key}" for path, key in self.used_keys(groups) if key not in keys}
        assert not missing

    def used_keys(self, groups: set[str]) -> Iterator[tuple[str, str]]:
        """Return each key in a call of t(), and each literal of a view or part that begins like a key."""
        for path, source in modules().items():
            if path in CATALOGUES:
                continue
            code = code_of(source)
            yield from ((path, key) for call in CALL.findall(code) for key in KEY.findall(call))
            if path.startswith(("views/", "parts/")):
                yield from ((path, key) for key in KEY.findall(code) if key.split(".")[0] in groups)

    def test_every_key_with_a_variable_part_has_texts(self) -> None:
        keys = texts("en")
        prefixes = {
            match[1] for source in modules().values() for match in re.finditer(r"\bt\(`([a-z_.]+)\$\{", code_of(source))
        }
        assert not [prefix for prefix in prefixes if not any(key.startswith(prefix) for key in keys)]


def test_page_waits_for_an_answer_for_longer_than_the_service_takes() -> None:
    """Otherwise a change is sent a second time while the service still makes the first one."""
    (milliseconds,) = re.findall(r"TIMEOUT_MS = ([\d_]+);", (FOLDER / "api.js").read_text())
    assert int(milliseconds) > (TURN_SECONDS + CONTENTION_SECONDS) * 1000 + OPERATION_TIMEOUT_MS
