"""Imported by the fork server: everything that a `task-timer` process imports.

structlog is imported without rich, as in a serving process, so that tracebacks in the log are plain text.
"""

import gc
import sys

sys.modules["rich"] = None  # type: ignore[assignment]
import app.main  # noqa: E402

del sys.modules["rich"]
import uvicorn.lifespan.on  # noqa: E402, F401
import uvloop  # noqa: E402, F401
from coverage import Coverage  # noqa: E402

import app.commands.accounts  # noqa: E402
import app.commands.backup  # noqa: E402
import app.commands.cli  # noqa: E402
import app.commands.commands  # noqa: E402
import app.commands.doctor  # noqa: E402
import app.commands.export  # noqa: E402
import app.commands.import_  # noqa: E402
import app.commands.progress  # noqa: E402
import app.database.requirements  # noqa: E402
import app.http.connections  # noqa: E402, F401

if test_coverage := Coverage.current():
    test_coverage.save()  # so that no forked process saves the lines of the imports again
gc.collect()
gc.freeze()  # so that no garbage collector of a forked process visits these objects
