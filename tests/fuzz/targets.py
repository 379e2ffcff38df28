"""All fuzz targets by name. tests/fuzz/test_fuzz.py and tests/fuzz/with_atheris.py run them."""

from tests.fuzz.files import FILES
from tests.fuzz.requests import REQUESTS
from tests.fuzz.target import Target
from tests.fuzz.texts import TEXTS

TARGETS: dict[str, Target] = {**TEXTS, **FILES, **REQUESTS}
