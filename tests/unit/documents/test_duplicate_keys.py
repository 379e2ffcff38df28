"""The detection of duplicate key errors, of one write and of a bulk write."""

import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError

from documents.common.base import _is_duplicate


class TestDuplicateKeyDetection:
    @pytest.mark.parametrize(
        ("refused", "is_duplicate"),
        [
            (DuplicateKeyError("E11000", 11000, {"code": 11000}), True),
            (BulkWriteError({"writeErrors": [{"code": 11000}]}), True),
            (BulkWriteError({"writeErrors": [{"code": 121}, {"code": 11000}]}), True),
            (BulkWriteError({"writeErrors": [{"code": 121}]}), False),
            (BulkWriteError({"writeErrors": []}), False),
            (BulkWriteError({}), False),
        ],
    )
    def test_error_code_11000_is_a_duplicate_key(
        self, refused: DuplicateKeyError | BulkWriteError, is_duplicate: bool
    ) -> None:
        assert _is_duplicate(refused) is is_duplicate
