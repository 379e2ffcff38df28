"""Requests that together get every response that the OpenAPI document declares."""

from tests.support.http import API, PASSWORD, Client

FORMATS = ("csv", "xlsx", "ndjson", "ics")


async def send_task_requests(client: Client) -> None:
    task = await client.make_task(due_at="2026-12-01T12:00:00.250+01:00", priority=0, tags=["a"], estimate_seconds=60)
    await client.make_task(title="Other", status="completed")
    at = f"{API}/tasks/{task['id']}"
    await client.get(at)
    await client.get(at, headers={"If-None-Match": '"1"'})
    await client.patch(at, json={"description": "More"})
    await client.list(limit=1)
    for method, path in (("GET", at), ("PATCH", at), ("DELETE", at), ("POST", f"{at}/restore")):
        missing = path.replace(task["id"], "0" * 24)
        await client.request(method, missing, json={} if method == "PATCH" else None)
        await client.request(method, path, json={} if method == "PATCH" else None, headers={"If-Match": '"99"'})
    await client.delete(at)
    await client.list(deleted=True)
    await client.post(f"{at}/restore")
    operations = [{"op": "create", "body": {"title": "Another"}}, {"op": "delete", "task_id": "nonsense"}]
    for atomic in (False, True):
        await client.post(f"{API}/tasks/bulk", json={"operations": operations, "atomic": atomic})


async def send_project_requests(client: Client) -> None:
    project = await client.make_project(color="#2F6FDE", hourly_rate={"amount": 9000, "currency": "EUR"})
    at = f"{API}/projects/{project['id']}"
    await client.post(f"{API}/projects", json={"name": "Website"})
    await client.make_project(name="Other")
    await client.get(f"{API}/projects", params={"limit": 1, "archived": "false"})
    await client.get(at)
    await client.patch(at, json={"client_name": "Ada", "archived": True})
    await client.patch(at, json={"hourly_rate": None}, params={"rerate": "true"})
    await client.patch(at, json={"name": "Other"})
    await client.make_task(project_id=project["id"])
    for _ in range(2):
        await client.delete(at)
        await client.get(at)
        await client.patch(at, json={})


async def send_import_requests(client: Client) -> None:
    line = "2026-11-02 09:00,2026-11-02 10:00,Mail"
    await client.import_csv(line, dry_run="true")
    batch = await client.import_csv(line, "nonsense,2026-11-02 11:00,Mail")
    running = await client.import_csv("2026-11-02 11:00,2026-11-02 12:00,Mail", wait="false")
    while (await client.get(f"{API}/imports/{running['id']}")).json()["status"] == "running":
        continue
    await client.get(f"{API}/imports", params={"limit": 1})
    at = f"{API}/imports/{batch['id']}"
    for method in ("GET", "DELETE"):
        await client.request(method, at)
        await client.request(method, at.replace(batch["id"], "0" * 24))


async def send_tag_requests(client: Client) -> None:
    await client.make_task(tags=["mail", "work"])
    await client.get(f"{API}/tags", params={"limit": 1})
    await client.post(f"{API}/tags/rename", json={"from": "mail", "to": "e-mail"})


async def send_report_requests(client: Client) -> None:
    rate = {"hourly_rate": {"amount": 9000, "currency": "EUR"}}
    project = await client.make_project(name="Reported", billable=True, **rate)
    task = await client.make_task(project_id=project["id"], tags=["t"])
    span = {"started_at": "2026-11-18T23:30:00Z", "duration_seconds": 3600}
    await client.post(f"{API}/tasks/{task['id']}/time-entries", json=span)
    await client.start(task)
    week = {"from": "2026-11-16", "to": "2026-11-23"}
    for sent in ({}, {"group_by": "project,tag", "rounding": "up:15", "explain": "true"}, {"fill": "true"}):
        await client.get(f"{API}/reports/summary", params={**week, **sent})
    await client.get(f"{API}/reports/summaries", params={**week, "group_by": ["day", "project,tag"]})
    await client.get(f"{API}/reports/timesheet", params={"date": "2026-11-18"})
    await client.get(f"{API}/reports/today")
    await client.stop()


async def send_share_requests(client: Client) -> None:
    summary = {"type": "summary", "from": "2026-11-18", "to": "2026-11-18T01:00:00Z", "group_by": "project,task"}
    urls = []
    for report in (summary, {"type": "timesheet", "date": "2026-11-18"}):
        body = {"name": "November", "report": report, "include_notes": True, "expires_at": "2999-01-01T00:00:00Z"}
        share = (await client.post(f"{API}/shares", json=body)).json()
        urls.append(share["url"])
    await client.get(f"{API}/shares", params={"limit": 1})
    for url in (*urls, f"{API}/shared/unknown"):
        response = await client.get(url)
        await client.get(url, headers={"If-None-Match": response.headers.get("etag", "*")})
    await client.patch(f"{API}/users/me", json={"timezone": "America/Lima"})
    await client.get(urls[0])  # the range of its report is empty in this time zone
    await client.patch(f"{API}/users/me", json={"timezone": "UTC"})
    for _ in range(2):
        await client.delete(f"{API}/shares/{share['id']}")


async def send_export_requests(client: Client) -> None:
    november = {"from": "2026-11-01", "to": "2026-12-01"}
    for form in FORMATS:
        await client.get(f"{API}/exports/time-entries.{form}", params=november)
    await client.get(f"{API}/exports/account.ndjson.gz")


async def send_entry_requests(client: Client) -> None:
    task = await client.make_task()
    timer = await client.start(task)
    entries, entry_id = f"{API}/tasks/{task['id']}/time-entries", timer["entry"]["id"]
    at = f"{entries}/{entry_id}"
    for _ in range(2):  # running, then ended
        etag = (await client.get(at)).headers["etag"]
        await client.get(at, headers={"If-None-Match": etag})
        await send_entry_writes(client, entries, entry_id)
        await client.post(f"{API}/timer/stop")
    await client.get(at.replace(entry_id, "0" * 24))
    for path in (entries, f"{API}/tasks/none/time-entries", f"{API}/time-entries"):
        await client.get(path)


async def send_entry_writes(client: Client, entries: str, entry_id: str) -> None:
    other = await client.make_task(title="Other")
    span = {"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 60}
    stale, forbid = {"If-Match": '"99"'}, {"overlap": "forbid"}
    entry = (await client.post(entries, json=span, params={"overlap": "warn"})).json()
    await client.post(entries, json=span, params=forbid)
    await client.post(entries, json=span, headers=stale)
    await client.post(f"{API}/tasks/none/time-entries", json=span)
    await client.patch(f"{API}/timer", json={"started_at": span["started_at"]}, params=forbid)
    await client.post(entries, json={**span, "started_at": "9000-01-01T00:00:00Z"})
    ended, running = f"{entries}/{entry['id']}", f"{entries}/{entry_id}"
    await client.patch(ended, json={"duration_seconds": 61})
    await client.patch(ended, json={"started_at": "9000-01-01T00:00:00Z", "duration_seconds": 1})
    for at, headers in ((running, {}), (ended, stale), (f"{entries}/none", {}), (ended, {})):
        await client.patch(at, json={"note": "n"}, headers=headers)
        await client.post(f"{at}/split", json={"at": "2026-11-18T09:00:30Z"}, headers=headers)
        await client.post(f"{at}/move", json={"task_id": other["id"]}, headers=headers)
        here = at.replace(entries, f"{API}/tasks/{other['id']}/time-entries")
        await client.delete(at, headers=headers)
        await client.delete(here, headers=headers)
    restore = f"{API}/time-entries/{entry['id']}/restore"
    await client.post(restore, headers=stale)
    await client.post(entries, json=span)
    await client.post(restore, params=forbid)
    await client.post(restore, params={"overlap": "warn"})
    await client.post(restore.replace(entry["id"], "0" * 24))


async def send_timer_requests(client: Client) -> None:
    timer = f"{API}/timer"
    task, other = await client.make_task(), await client.make_task(title="Other")
    await client.get(timer)
    await client.post(f"{timer}/stop")
    await client.post(f"{timer}/resume")
    await client.patch(timer, json={"note": "n"})
    await client.post(f"{timer}/start", json={"task_id": "nonsense"})
    await client.post(f"{timer}/start", json={"task_id": task["id"]}, headers={"If-Match": '"99"'})
    await client.post(f"{timer}/start", json={"task_id": task["id"], "started_at": "9000-01-01T00:00:00Z"})
    await client.start(task, note="n", tags=["t"])
    await client.post(f"{timer}/start", json={"task_id": task["id"]})
    await client.post(f"{timer}/start", json={"task_id": other["id"]})
    etag = (await client.get(timer)).headers["etag"]
    await client.get(timer, headers={"If-None-Match": etag})
    await client.patch(timer, json={"note": None, "started_at": "2026-11-18T09:00:00Z"})
    await client.patch(timer, json={"note": "n"}, headers={"If-Match": '"99"'})
    await client.patch(timer, json={"started_at": "9000-01-01T00:00:00Z"})
    await client.post(f"{timer}/stop", headers={"If-Match": '"99"'})
    await client.post(f"{timer}/stop", json={"ended_at": "9000-01-01T00:00:00Z"})
    await client.stop()
    await client.post(f"{timer}/resume", headers={"If-Match": '"99"'})
    for _ in range(2):
        await client.post(f"{timer}/resume")
    await client.stop()
    await client.start(other)
    await client.post(f"{timer}/resume")
    await client.stop()
    await client.read(task)
    await client.delete(timer)
    for sent in ({"task_id": task["id"]}, {"task_id": other["id"]}, {"task_id": "nonsense"}):
        await client.post(f"{timer}/switch", json=sent)
    stale = {"If-Match": '"99"'}
    await client.post(f"{timer}/switch", json={"task_id": task["id"]}, headers=stale)
    await client.post(f"{timer}/switch", json={"task_id": task["id"], "at": "9000-01-01T00:00:00Z"})
    await client.delete(timer, headers=stale)
    await client.delete(timer)


async def send_session_requests(client: Client) -> dict[str, str]:
    """Send the requests about sessions and tokens. Return API tokens by scope."""
    account = {"email": "grace@example.com", "password": PASSWORD}
    await client.post(f"{API}/users", json=account)
    form = {"username": account["email"], "password": PASSWORD}
    await send_cookie_requests(client, form)
    tokens = (await client.post(f"{API}/auth/token", data=form)).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    (session, *_) = (await client.get(f"{API}/auth/sessions", params={"limit": 1}, headers=bearer)).json()["items"]
    for session_id in (session["id"], "0" * 24):
        other = (await client.post(f"{API}/auth/token", data=form)).json()["access_token"]
        await client.delete(f"{API}/auth/sessions/{session_id}", headers={"Authorization": f"Bearer {other}"})
    tokens = (await client.post(f"{API}/auth/token", data=form)).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    for sent in (tokens["refresh_token"], "x"):
        await client.post(f"{API}/auth/refresh", json={"refresh_token": sent})
    await client.post(f"{API}/auth/logout", headers=bearer)
    for at, word in ((f"{API}/auth/password", "current_password"), (f"{API}/users/me", "password")):
        tokens = (await client.post(f"{API}/auth/token", data=form)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        method = "POST" if word == "current_password" else "DELETE"
        for password in ("wrong", PASSWORD):
            body = {word: password} | ({"new_password": PASSWORD} if method == "POST" else {})
            await client.request(method, at, json=body, headers=bearer)
    api_tokens = f"{API}/auth/api-tokens"
    secrets = {}
    for scope in ("read", "write", "reports"):
        token = (await client.post(api_tokens, json={"name": scope, "scopes": [scope]})).json()
        secrets[scope] = token["token"]
    await client.get(api_tokens, params={"limit": 1})
    revoked = (await client.post(api_tokens, json={"name": "revoked", "scopes": ["timer"]})).json()
    for _ in range(2):
        await client.delete(f"{api_tokens}/{revoked['id']}")
    await send_calendar_requests(client)
    await client.get(f"{API}/users/me/audit", params={"limit": 1})
    email = {"email": "ada@example.com", "current_password": PASSWORD}
    await client.patch(f"{API}/users/me", json=email)
    await client.patch(f"{API}/users/me", json={**email, "current_password": "wrong"})
    return secrets


async def send_cookie_requests(client: Client, form: dict[str, str]) -> None:
    """Send the requests of a browser session, from a page of the service and from another one."""
    for site in ("same-origin", "cross-site"):
        headers = {"Sec-Fetch-Site": site}
        await client.post(f"{API}/auth/token", params={"session": "cookie"}, data=form, headers=headers)
        await client.post(f"{API}/auth/refresh", headers=headers)
    await client.post(f"{API}/auth/logout", headers={"Authorization": "", "Sec-Fetch-Site": "same-origin"})
    await client.post(f"{API}/auth/refresh")


async def send_calendar_requests(client: Client) -> None:
    """Send the requests about calendar feeds."""
    feeds = f"{API}/calendar-feeds"
    for body in ({"name": "x", "tag": "t"}, {"name": "y", "days_back": 1}, {"name": ""}):
        await client.post(feeds, json=body)
    await client.get(feeds, params={"limit": 1})
    feed = (await client.post(feeds, json={"name": "z"})).json()
    etag = (await client.get(feed["url"])).headers["etag"]
    for headers in ({"If-None-Match": etag}, {"If-None-Match": "nonsense"}):
        await client.get(feed["url"], headers=headers)
    for _ in range(2):
        await client.delete(f"{feeds}/{feed['id']}")
    await client.get(feed["url"])
    for number in range(20):
        created = await client.post(feeds, json={"name": str(number)})
    assert created.status_code == 409


async def send_webhook_requests(client: Client) -> None:
    webhooks, new = f"{API}/webhooks", {"url": "https://127.0.0.1/hook"}
    hook = (await client.post(webhooks, json={**new, "types": ["timer.started"], "description": "Light"})).json()
    at = f"{webhooks}/{hook['id']}"
    await client.get(webhooks, params={"limit": 1})
    test = (await client.post(f"{at}/test")).json()
    retry = f"{at}/deliveries/{test['id']}/retry"
    for path in (at, at.replace(hook["id"], "0" * 24)):
        await client.get(path)
        await client.patch(path, json={"types": None})
        await client.post(f"{path}/rotate-secret")
        await client.post(f"{path}/test")
        await client.get(f"{path}/deliveries", params={"limit": 1})
        await client.post(retry.replace(at, path))
    await client.patch(at, json={"active": False})
    await client.post(f"{at}/test")
    await client.post(retry)
    for _ in range(20):
        await client.post(webhooks, json=new)
    for _ in range(2):
        await client.delete(at)


async def send_account_requests(client: Client) -> None:
    account = {"email": "ada@example.com", "password": PASSWORD}
    for _ in range(2):
        await client.post(f"{API}/users", json=account)
    for password in (PASSWORD, "wrong"):
        await client.post(f"{API}/auth/token", data={"username": "ada@example.com", "password": password})
    await client.get(f"{API}/users/me")
    await client.patch(f"{API}/users/me", json={"full_name": "Alice", "preferences": {"timer_cap_hours": 8}})
