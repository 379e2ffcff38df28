"""All that is tried with made-up bytes, by name: tests/fuzz/test_fuzz.py and tests/fuzz/with_atheris.py drive it."""

from tests.fuzz.files import FILES
from tests.fuzz.requests import REQUESTS
from tests.fuzz.target import Target
from tests.fuzz.texts import TEXTS

TARGETS: dict[str, Target] = {**TEXTS, **FILES, **REQUESTS}
