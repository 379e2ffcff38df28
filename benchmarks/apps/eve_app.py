"""The tasks of the benchmark as an API of Eve, configured as in its documentation.

It runs in the environment that benchmarks/peers.py creates. Each task belongs to a user, and the token is looked up in
the database for each request.
"""

import os
from typing import Any

from eve import Eve
from eve.auth import TokenAuth
from flask import current_app

MONGO_URI = os.environ["DATABASE_URL"]
DATABASE = os.environ["DATABASE_NAME"]

ENTRY = {
    "id": {"type": "objectid"},
    "started_at": {"type": "datetime"},
    "ended_at": {"type": "datetime"},
    "duration_seconds": {"type": "integer"},
    "note": {"type": "string", "nullable": True},
    "tags": {"type": "list", "schema": {"type": "string"}},
    "billable": {"type": "boolean"},
    "source": {"type": "string"},
    "timezone": {"type": "string"},
    "needs_review": {"type": "boolean"},
    "hourly_rate": {"type": "dict", "nullable": True},
    "created_at": {"type": "datetime"},
    "updated_at": {"type": "datetime"},
}
TASK = {
    "title": {"type": "string", "minlength": 1, "maxlength": 200, "required": True},
    "project_id": {"type": "objectid", "nullable": True, "default": None},
    "description": {"type": "string", "nullable": True, "default": None},
    "status": {"type": "string", "allowed": ["pending", "in_progress", "completed"], "default": "pending"},
    "tags": {"type": "list", "schema": {"type": "string"}, "default": []},
    "priority": {"type": "integer", "nullable": True, "default": None},
    "due_at": {"type": "datetime", "nullable": True, "default": None},
    "estimate_seconds": {"type": "integer", "nullable": True, "default": None},
    "billable": {"type": "boolean", "default": False},
    "time_entries": {"type": "list", "schema": {"type": "dict", "schema": ENTRY}, "default": []},
    "tracked_seconds": {"type": "integer", "default": 0},
    "entry_count": {"type": "integer", "default": 0},
}
SETTINGS = {
    "MONGO_URI": MONGO_URI,
    "MONGO_DBNAME": DATABASE,
    "DOMAIN": {"tasks": {"schema": TASK, "auth_field": "user_id"}},
    "RESOURCE_METHODS": ["GET", "POST"],
    "ITEM_METHODS": ["GET", "PATCH"],
    "RENDERERS": ["eve.render.JSONRenderer"],
    "OPTIMIZE_PAGINATION_FOR_SPEED": True,
}


class TokenOfUser(TokenAuth):  # type: ignore[misc] # Eve has no types
    """Accepts the tokens of the collection `accounts`."""

    def check_auth(self, token: str, allowed_roles: Any, resource: str, method: str) -> bool:  # noqa: ARG002 -- of Eve
        """Return whether the token is valid, and limit the request to the documents of its user."""
        account = current_app.data.driver.db["accounts"].find_one({"token": token})
        if account is None:
            return False
        self.set_request_auth_value(account["_id"])
        return True


app = Eve(settings=SETTINGS, auth=TokenOfUser)


@app.route("/health")  # type: ignore[untyped-decorator] # Flask has no types here
def health() -> str:
    """Return a constant response."""
    return "ok"
