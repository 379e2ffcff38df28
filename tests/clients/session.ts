// A session with openapi-fetch and the generated types: node session.js BASE_URL. tests/clients/__main__.py runs it.
// Every response is read through the generated types.

import assert from "node:assert/strict";

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];
type Task = components["schemas"]["TaskRead"];
type Entry = components["schemas"]["EntryWithTask"];
type Answer<T> = { data?: T; error?: unknown; response: Response };

const EMAIL = "grace@example.com";
const PASSWORD = "correct horse battery";
const SCOPES: components["schemas"]["Scope"][] = ["read", "write", "timer", "reports", "exports"];

/** The data of an answer that must be good. */
function good<T>({ data, error, response }: Answer<T>, status = 200): T {
  assert.equal(response.status, status, JSON.stringify(error));
  assert.ok(data !== undefined);
  return data;
}

/** The problem of an answer that must be one. */
function bad(answer: { error?: Problem; response: Response }, status: number, code: string): Problem {
  assert.ok(answer.error !== undefined, `${code} was expected`);
  assert.deepEqual([answer.response.status, answer.error.status, answer.error.code], [status, status, code]);
  return answer.error;
}

function bearer(baseUrl: string, token: string): Client<paths> {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
}

async function signedIn(baseUrl: string): Promise<Client<paths>> {
  const stranger = createClient<paths>({ baseUrl });
  const user = good(await stranger.POST("/api/v1/users", { body: { email: EMAIL, password: PASSWORD } }), 201);
  assert.equal(user.preferences.overlap_policy, "allow");
  const form = (fields: Record<string, string>) => new URLSearchParams(fields);
  const token = good(
    await stranger.POST("/api/v1/auth/token", {
      body: { username: EMAIL, password: PASSWORD },
      bodySerializer: form,
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    }),
  );
  return bearer(baseUrl, token.access_token);
}

async function withAnApiToken(session: Client<paths>, baseUrl: string): Promise<Client<paths>> {
  const made = good(await session.POST("/api/v1/auth/api-tokens", { body: { name: "Session", scopes: SCOPES } }), 201);
  assert.deepEqual([made.expires_at, made.scopes], [null, SCOPES]);
  return bearer(baseUrl, made.token);
}

async function makeATask(api: Client<paths>): Promise<Task> {
  const hourly_rate = { amount: 9000, currency: "EUR" };
  const project = good(
    await api.POST("/api/v1/projects", { body: { name: "Website", billable: true, hourly_rate } }),
    201,
  );
  const sent = {
    params: { header: { "Idempotency-Key": "one" } },
    body: { title: "Write the offer", project_id: project.id },
  };
  const made = await api.POST("/api/v1/tasks", sent);
  const task = good(made, 201);
  assert.ok(made.response.headers.get("Location")?.endsWith(task.id));
  assert.deepEqual([task.status, task.billable, task.due_at, task.active], ["pending", true, null, null]);
  const again = await api.POST("/api/v1/tasks", sent);
  assert.equal(good(again, 201).id, task.id);
  assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");
  return task;
}

async function track(api: Client<paths>, task: Task): Promise<void> {
  assert.equal((await api.GET("/api/v1/timer")).response.status, 204);
  const started = good(await api.POST("/api/v1/timer/start", { body: { task_id: task.id, note: "Draft" } }), 201);
  assert.equal(started.entry.ended_at, null);
  const again = good(await api.POST("/api/v1/timer/start", { body: { task_id: task.id } }));
  assert.equal(again.entry.id, started.entry.id);
  const body = { entry_id: started.entry.id };
  const stopped = good(await api.POST("/api/v1/timer/stop", { body }));
  assert.deepEqual(good(await api.POST("/api/v1/timer/stop", { body })).entry, stopped.entry);
  assert.equal(stopped.entry.note, "Draft");
  bad(await api.POST("/api/v1/timer/stop"), 404, "no_running_timer");
}

async function writeDown(api: Client<paths>, task: Task): Promise<void> {
  const path = { task_id: task.id };
  const body = { started_at: "2026-11-18T09:00:00Z", duration_seconds: 3600 };
  const at = "/api/v1/tasks/{task_id}/time-entries";
  const written = good(await api.POST(at, { params: { path }, body }), 201);
  const refused = await api.POST(at, { params: { path, query: { overlap: "forbid" } }, body });
  assert.deepEqual(
    bad(refused, 409, "overlap").overlaps?.map((shared) => shared.entry_id),
    [written.id],
  );
}

async function change(api: Client<paths>, task: Task): Promise<void> {
  const path = { task_id: task.id };
  const seen = await api.GET("/api/v1/tasks/{task_id}", { params: { path } });
  assert.equal(good(seen).time_entries.length, 2);
  const version = seen.response.headers.get("ETag") ?? "";
  const params = { path, header: { "If-Match": version } };
  const body = { status: "completed", description: null } as const;
  assert.equal(good(await api.PATCH("/api/v1/tasks/{task_id}", { params, body })).status, "completed");
  bad(await api.PATCH("/api/v1/tasks/{task_id}", { params, body }), 412, "stale_version");
}

async function readPages(api: Client<paths>): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 1 } : { limit: 1, cursor };
    const response = await api.GET("/api/v1/time-entries", { params: { query } });
    const page: components["schemas"]["EntryWithTaskPage"] = good(response);
    entries.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return entries;
}

async function report(api: Client<paths>): Promise<void> {
  const query = { from: "2026-11-18", to: "2026-11-19", group_by: "task" };
  const summary = good(await api.GET("/api/v1/reports/summary", { params: { query } }));
  assert.deepEqual(
    [summary.total_seconds, summary.rows.map((row) => row.seconds), summary.amounts],
    [3600, [3600], [{ currency: "EUR", amount: 9000 }]],
  );
}

async function exportFiles(api: Client<paths>): Promise<void> {
  const params = { query: { from: "2026-11-18", to: "2026-11-19" } };
  const csv: string = good(await api.GET("/api/v1/exports/time-entries.csv", { params, parseAs: "text" }));
  assert.match(csv, /Write the offer/);
  const calendar: string = good(await api.GET("/api/v1/exports/time-entries.ics", { params, parseAs: "text" }));
  assert.match(calendar, /^BEGIN:VCALENDAR/);
}

async function meetErrors(api: Client<paths>): Promise<void> {
  const path = { task_id: "0".repeat(24) };
  bad(await api.GET("/api/v1/tasks/{task_id}", { params: { path } }), 404, "task_not_found");
  const wrong = bad(await api.POST("/api/v1/tasks", { body: { title: "" } }), 422, "invalid_request");
  assert.deepEqual(
    wrong.errors?.map((where) => where.pointer),
    ["#/title"],
  );
}

const baseUrl = process.argv[2];
assert.ok(baseUrl);
const api = await withAnApiToken(await signedIn(baseUrl), baseUrl);
const task = await makeATask(api);
await track(api, task);
await writeDown(api, task);
await change(api, task);
await report(api);
await exportFiles(api);
assert.deepEqual(
  (await readPages(api)).map((entry) => entry.task_title),
  ["Write the offer", "Write the offer"],
);
const tasks = good(await api.GET("/api/v1/tasks", { params: { query: { status: ["completed"], q: "offer" } } }));
assert.deepEqual(
  tasks.items.map((found) => found.id),
  [task.id],
);
await meetErrors(api);
