"""What a unique index says of one document and of many."""

import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError

from documents.common.base import _is_duplicate


class TestARefusedWrite:
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
    def test_is_of_a_duplicate_where_the_server_says_so(
        self, refused: DuplicateKeyError | BulkWriteError, is_duplicate: bool
    ) -> None:
        assert _is_duplicate(refused) is is_duplicate
