"""Imported by the fork server: everything that a `task-timer` process imports.

structlog is imported without rich, as in a serving process, so that tracebacks in the log are plain text.
"""

import sys

sys.modules["rich"] = None  # type: ignore[assignment]
import app.main  # noqa: E402

del sys.modules["rich"]
import app.commands.accounts  # noqa: E402
import app.commands.backup  # noqa: E402
import app.commands.cli  # noqa: E402
import app.commands.doctor  # noqa: E402
import app.commands.export  # noqa: E402
import app.commands.import_  # noqa: E402
import app.commands.progress  # noqa: E402
import app.database.requirements  # noqa: E402, F401
