"""The expected fields, types and indexes of the stored documents, and functions that read them."""

import asyncio
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId

from documents.tracking.view import TIME_ENTRIES_VIEW
from tests.conftest import Database
from tests.support.feed.recorded import PATIENCE_SECONDS
from tests.support.http import Json

TYPES = {
    ObjectId: "objectId",
    str: "string",
    int: "int",
    Int64: "long",
    bool: "bool",
    float: "double",
    datetime: "date",
    list: "array",
    dict: "object",
    type(None): "null",
}


NEW_TASK = {
    "_id": "objectId",
    "user_id": "objectId",
    "project_id": "null",
    "title": "string",
    "description": "null",
    "status": "string",
    "tags": "array",
    "priority": "null",
    "due_at": "null",
    "estimate_seconds": "null",
    "billable": "bool",
    "time_entries": "array",
    "tracked_seconds": "int",
    "entry_count": "int",
    "first_started_at": "null",
    "last_ended_at": "null",
    "version": "int",
    "created_at": "date",
    "updated_at": "date",
    "completed_at": "null",
    "deleted_at": "null",
}


RUNNING_ENTRY = {
    "id": "objectId",
    "started_at": "date",
    "ended_at": "null",
    "duration_seconds": "null",
    "note": "string",
    "tags": "array",
    "billable": "bool",
    "source": "string",
    "timezone": "string",
    "needs_review": "bool",
    "hourly_rate": "null",
    "created_at": "date",
    "updated_at": "date",
}


ENDED_ENTRY = RUNNING_ENTRY | {"ended_at": "date", "duration_seconds": "int"}


PAGE = {
    "_id": "objectId",
    "user_id": "objectId",
    "task_id": "objectId",
    "entries": "array",
    "tracked_seconds": "int",
    "entry_count": "int",
    "first_started_at": "date",
    "last_ended_at": "date",
    "import_ids": "array",
    "version": "int",
    "created_at": "date",
    "updated_at": "date",
}


USER = {
    "_id": "objectId",
    "email": "string",
    "email_key": "string",
    "password_hash": "string",
    "full_name": "null",
    "timezone": "string",
    "week_start": "int",
    "preferences": "object",
    "is_active": "bool",
    "token_version": "int",
    "timeline_version": "int",
    "created_at": "date",
    "updated_at": "date",
}


PROJECT = {
    "_id": "objectId",
    "user_id": "objectId",
    "name": "string",
    "client_name": "null",
    "color": "null",
    "billable": "bool",
    "hourly_rate": "null",
    "archived_at": "null",
    "created_at": "date",
    "updated_at": "date",
    "deleted_at": "null",
    "tasks_version": "int",
}


BY_OUTBOX_SINCE: dict[str, Any] = {
    "by_outbox_since": {
        "key": [("outbox_since", 1)],
        "partialFilterExpression": {"outbox_since": {"$gt": datetime(1970, 1, 1)}},  # noqa: DTZ001 -- as the driver decodes it
    }
}


TASK_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_running_timer_per_user": {
        "key": [("user_id", 1)],
        "unique": True,
        "partialFilterExpression": {"active": {"$type": "object"}},
    },
    "by_running_entry": {
        "key": [("user_id", 1), ("active.id", 1)],
        "partialFilterExpression": {"active.id": {"$gt": ObjectId("0" * 24)}},
    },
    "by_review": {
        "key": [("user_id", 1), ("_id", 1)],
        "partialFilterExpression": {"time_entries.needs_review": True},
    },
    "by_created_at": {"key": [("user_id", 1), ("created_at", 1), ("_id", 1)]},
    "by_updated_at": {"key": [("user_id", 1), ("updated_at", 1), ("_id", 1)]},
    "by_due_at": {"key": [("user_id", 1), ("due_at", 1), ("_id", 1)]},
    "by_title": {"key": [("user_id", 1), ("title", 1), ("_id", 1)]},
    "by_project_id": {"key": [("user_id", 1), ("project_id", 1), ("_id", 1)]},
    "by_tracked_seconds": {"key": [("user_id", 1), ("tracked_seconds", 1), ("_id", 1)]},
    "by_last_ended_at": {"key": [("user_id", 1), ("last_ended_at", -1)]},
    "by_first_started_at": {"key": [("user_id", 1), ("first_started_at", 1), ("last_ended_at", 1)]},
    **BY_OUTBOX_SINCE,
}


PROJECT_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_project_per_name": {"key": [("user_id", 1), ("deleted_at", 1), ("name", 1)], "unique": True},
    "being_deleted": {
        "key": [("deleted_at", 1)],
        "partialFilterExpression": {"deleted_at": {"$type": "date"}},
    },
    **BY_OUTBOX_SINCE,
}


USER_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_account_per_email": {"key": [("email_key", 1)], "unique": True},
    "being_deleted": {"key": [("deleted_at", 1)], "partialFilterExpression": {"deleted_at": {"$type": "date"}}},
    **BY_OUTBOX_SINCE,
}


EXPIRING: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "kept_until_it_expires": {"key": [("expires_at", 1)], "expireAfterSeconds": 0},
}


OTHER_INDEXES: dict[str, dict[str, Any]] = {
    "task_pages": {
        "_id_": {"key": [("_id", 1)]},
        "by_last_ended_at": {"key": [("user_id", 1), ("last_ended_at", 1), ("first_started_at", 1)]},
        "by_task_id": {"key": [("user_id", 1), ("task_id", 1), ("first_started_at", 1)]},
        "by_entry_id": {"key": [("user_id", 1), ("entries.id", 1)]},
        "by_import_id": {"key": [("user_id", 1), ("import_ids", 1)]},
        "by_review": {
            "key": [("user_id", 1), ("_id", 1)],
            "partialFilterExpression": {"entries.needs_review": True},
        },
        "replaced_expire": {"key": [("replaced_at", 1)], "expireAfterSeconds": 60 * 60},
    },
    "refresh_tokens": {
        **EXPIRING,
        "by_user_and_last_use": {"key": [("user_id", 1), ("updated_at", -1), ("_id", -1)]},
    },
    "api_tokens": {
        **EXPIRING,
        "one_token_per_hash": {"key": [("token_hash", 1)], "unique": True},
        "by_user": {"key": [("user_id", 1), ("_id", -1)]},
    },
    "webhooks": {
        "_id_": {"key": [("_id", 1)]},
        "one_webhook_per_slot": {"key": [("user_id", 1), ("slot", 1)], "unique": True},
        "by_active": {"key": [("active", 1), ("user_id", 1)]},
    },
    "webhook_deliveries": {
        "_id_": {"key": [("_id", 1)]},
        "one_delivery_per_change": {
            "key": [("webhook_id", 1), ("change_id", 1)],
            "unique": True,
            "partialFilterExpression": {"change_id": {"$type": "objectId"}},
        },
        "by_webhook_id": {"key": [("user_id", 1), ("webhook_id", 1), ("_id", -1)]},
        "by_next_attempt_at": {
            "key": [("next_attempt_at", 1)],
            "partialFilterExpression": {"next_attempt_at": {"$gt": datetime(1970, 1, 1)}},  # noqa: DTZ001 -- as the driver decodes it
        },
        "pending_by_webhook_id": {
            "key": [("webhook_id", 1), ("next_attempt_at", 1)],
            "partialFilterExpression": {"next_attempt_at": {"$gt": datetime(1970, 1, 1)}},  # noqa: DTZ001 -- as the driver decodes it
        },
        "kept_30_days": {"key": [("created_at", 1)], "expireAfterSeconds": 30 * 24 * 60 * 60},
    },
    "calendar_feeds": {
        "_id_": {"key": [("_id", 1)]},
        "one_feed_per_hash": {"key": [("secret_hash", 1)], "unique": True},
        "by_user": {"key": [("user_id", 1), ("_id", -1)]},
    },
    "shares": {
        **EXPIRING,
        "one_share_per_hash": {"key": [("secret_hash", 1)], "unique": True},
        "by_user": {"key": [("user_id", 1), ("_id", -1)]},
    },
    "changes": {
        **EXPIRING,
        "one_change_per_seq": {"key": [("user_id", 1), ("seq", 1)], "unique": True},
        "by_position": {"key": [("position", 1)]},
    },
    "feed_states": {
        "_id_": {"key": [("_id", 1)]},
        "one_state_per_user": {"key": [("user_id", 1)], "unique": True},
    },
    "open_streams": {
        "_id_": {"key": [("_id", 1)]},
        "one_stream_per_slot": {"key": [("user_id", 1), ("slot", 1)], "unique": True},
    },
    "stream_workers": EXPIRING,
    "leases": {"_id_": {"key": [("_id", 1)]}},
    "audit_events": {**EXPIRING, "by_user": {"key": [("user_id", 1), ("_id", -1)]}},
    "rate_counters": EXPIRING,
    "idempotency_keys": {
        "_id_": {"key": [("_id", 1)]},
        "one_request_per_key": {"key": [("user_id", 1), ("key", 1)], "unique": True},
        "kept_24_hours": {"key": [("created_at", 1)], "expireAfterSeconds": 24 * 60 * 60},
    },
    "deleted_entries": {
        "_id_": {"key": [("_id", 1)]},
        "kept_30_days": {"key": [("deleted_at", 1)], "expireAfterSeconds": 30 * 24 * 60 * 60},
        "by_user": {"key": [("user_id", 1), ("_id", 1)]},
    },
}


def bson_types(document: Json) -> dict[str, str]:
    """Return the BSON type of each field, as a mongo shell names it."""
    return {field: TYPES[type(value)] for field, value in document.items()}


async def find_task(database: Database, task: Json) -> Json:
    return await find_relayed(database, "tasks", _id=ObjectId(task["id"]))


async def find_relayed(database: Database, collection: str, **query: Any) -> Json:
    """Return the document as it is when the relay has copied its changes to the feed: without an outbox."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await database[collection].find_one(query)) and "outbox" in found:  # noqa: ASYNC110 -- the relay
            await asyncio.sleep(0.02)
    assert found is not None
    return found


async def read_indexes(database: Database, collection: str) -> dict[str, Any]:
    found = await database[collection].index_information()
    return {
        name: {key: value for key, value in index.items() if key not in {"v", "ns"}} for name, index in found.items()
    }


async def read_view_options(database: Database) -> Json:
    standing = await database.command("listCollections", filter={"name": TIME_ENTRIES_VIEW})
    (found,) = standing["cursor"]["firstBatch"]
    assert found["type"] == "view"
    options: Json = found["options"]
    return options
