// The client of the API: requests, the session, retries and the event stream. No other module sends requests.

import { isBusyForLong, noteRetryAfter, orAborted, retryAfter, untilNotBusy } from "./busy.js";
import { signal } from "./lib/signal.js";
import { noteClock } from "./service_clock.js";

/**
 * @typedef {object} RequestOptions
 * @property {Record<string, string | number | boolean | string[] | null | undefined>} [query] Null is left out.
 * @property {unknown} [body] Sent as JSON.
 * @property {FormData | URLSearchParams} [form]
 * @property {string} [key] The Idempotency-Key. A request with a key is repeated when its answer was lost.
 * @property {string} [ifMatch]
 * @property {AbortSignal} [signal]
 * @property {boolean} [isPublic] Send no access token.
 * @property {boolean} [isQueued] Throw UnreachableError instead of waiting long for a busy service.
 */

const base = new URL(`${meta("api")}/`, document.baseURI);
const SESSION_MARK = `task-timer-session ${base.pathname}`;
const RETRY_DELAYS_MS = [250, 1000];
/** Longer than the service lets a change wait for others. */
const TIMEOUT_MS = 25_000;
const SLOW_MS = 3000;
/** A token is renewed this long before it expires. */
const RENEWAL_MARGIN_MS = 30_000;
/** Answers of a service that is away. */
const AWAY = new Set([502, 503, 504]);

/** The answer of the service is an error. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {import("./types").Problem} problem
   * @param {number | null} [retryAfterMs] How long the service asks to wait.
   */
  constructor(status, problem, retryAfterMs = null) {
    super(problem.detail ?? problem.title);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
    this.code = problem.code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The service did not answer, or cannot reach its database. Whether it did the work is unknown. */
export class UnreachableError extends Error {
  constructor() {
    super("The service cannot be reached");
    this.name = "UnreachableError";
  }
}

/** The session has ended. */
export class SignedOutError extends Error {
  constructor() {
    super("The session has ended");
    this.name = "SignedOutError";
  }
}

/** Whether somebody is signed in: "unknown" until the first refresh has been answered, "expired" without a sign-out. */
export const session = signal(/** @type {"unknown" | "signed-in" | "signed-out" | "expired"} */ ("unknown"));

/** Whether the last request was answered. */
export const isReachable = signal(true);

/** @type {{value: string, expiresAt: number} | null} */
let accessToken = null;
const channel = new BroadcastChannel(SESSION_MARK);

/**
 * Send a request and return its answer.
 *
 * A request that the service refuses because it is busy is sent again when the service has asked for it, except those
 * of a person who signs in.
 *
 * Throws ApiError for an error of the service, UnreachableError without an answer, and an AbortError when `signal`
 * is aborted.
 *
 * @param {string} method
 * @param {string} path Relative to the prefix of the API, for example "tasks/123".
 * @param {RequestOptions} [options]
 * @returns {Promise<{status: number, data: any, headers: Headers}>} `data` is null for an answer without JSON.
 */
export async function request(method, path, options = {}) {
  const response = await send(method, path, options);
  const hasJson = response.headers.get("Content-Type")?.includes("json");
  return { status: response.status, data: hasJson ? await response.json() : null, headers: response.headers };
}

/**
 * Download a file.
 *
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<{blob: Blob, name: string}>}
 */
export async function download(path, options = {}) {
  const response = await send("GET", path, options);
  const disposition = response.headers.get("Content-Disposition") ?? "";
  const name = /filename="?([^";]+)"?/.exec(disposition)?.[1] ?? path.split("/").at(-1) ?? "download";
  return { blob: await response.blob(), name };
}

/**
 * Open the event stream. It ends when `signal` is aborted.
 *
 * @param {{after: string | null, signal: AbortSignal}} options
 */
export async function openStream({ after, signal }) {
  const headers = { Accept: "text/event-stream", ...(after === null ? {} : { "Last-Event-ID": after }) };
  return (await send("GET", "events", { signal }, headers)).body;
}

/**
 * Return whether the service has the version of the page that this module belongs to.
 *
 * Throws UnreachableError when the service does not answer.
 */
export async function isPageCurrent() {
  const folder = new URL("./", import.meta.url).href.replace(new URL("./", document.baseURI).href, "");
  const response = await fetch(new URL("./", document.baseURI), { cache: "no-cache" }).catch(() => null);
  if (!response?.ok) throw new UnreachableError();
  return (await response.text()).includes(folder);
}

/** Return a new key for a request that creates something. Works on plain http too, unlike crypto.randomUUID. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Sign in.
 *
 * @param {string} email
 * @param {string} password
 */
export async function signIn(email, password) {
  const form = new URLSearchParams({ username: email, password });
  const answer = await request("POST", "auth/token", { query: { session: "cookie" }, form, isPublic: true });
  acceptToken(answer.data);
}

/** End the session, in all tabs. */
export async function signOut() {
  try {
    await request("POST", "auth/logout", { isQueued: true });
  } finally {
    channel.postMessage({ signedOut: true });
    forgetSession();
  }
}

/** Return whether this browser may have a session. Scripts cannot see its cookie, but the mark that is set with it. */
export function hasStoredSession() {
  return localStorage.getItem(SESSION_MARK) !== null;
}

/** Continue the session of the cookie, if there is one. While the service is away, it counts as signed in. */
export async function resumeSession() {
  // This saves a request that would be refused.
  if (!hasStoredSession()) {
    forgetSession();
    return;
  }
  try {
    while (!(await renewToken())) await untilNotBusy();
  } catch (error) {
    if (error instanceof UnreachableError) session.value = "signed-in";
    else if (!(error instanceof SignedOutError)) throw error;
  }
}

/** Forget the access token: the session has ended. @param {"signed-out" | "expired"} [state] */
export function forgetSession(state = "signed-out") {
  accessToken = null;
  localStorage.removeItem(SESSION_MARK);
  session.value = state;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {RequestOptions} options
 * @param {Record<string, string>} [extraHeaders]
 * @returns {Promise<Response>}
 */
async function send(method, path, options, extraHeaders = {}) {
  const isRepeatable = method === "GET" || method === "PATCH" || options.key !== undefined;
  const delays = isRepeatable && isReachable.peek() ? [...RETRY_DELAYS_MS] : [];
  let mayRenew = !options.isPublic;
  while (true) {
    if (options.isQueued && isBusyForLong()) throw new UnreachableError();
    if (!isForm(method, options)) await untilNotBusy(options.signal);
    if (!options.isPublic && !(await orAborted(ensureToken(), options.signal))) continue;
    const began = performance.now();
    const response = await attempt(method, path, options, extraHeaders);
    if (response?.ok || response?.status === 304) return response;
    if (response?.status === 401 && mayRenew) {
      mayRenew = false;
      accessToken = null;
      continue;
    }
    // The number of streams has a limit of its own, which does not concern other requests.
    const mustWait =
      response !== null && !isStream(extraHeaders) && !isForm(method, options) && noteRetryAfter(response);
    if (mustWait && response.status === 429) continue;
    // A service that fails after seconds has too much to do: another attempt would add to it.
    const mayHelp =
      (!response || AWAY.has(response.status)) && performance.now() - began <= SLOW_MS && !isBusyForLong();
    const delay = mayHelp ? delays.shift() : undefined;
    if (delay === undefined) return fail(response);
    await pause(delay, options.signal);
  }
}

/**
 * Return whether a person waits for the answer in a form without a session: a sign-in has limits of its own.
 *
 * @param {string} method
 * @param {RequestOptions} options
 */
function isForm(method, { isPublic }) {
  return method === "POST" && isPublic === true;
}

/** Return whether a request opens the event stream. @param {Record<string, string>} extraHeaders */
function isStream(extraHeaders) {
  return "Accept" in extraHeaders;
}

/**
 * Return null when there was no answer.
 *
 * @param {string} method
 * @param {string} path
 * @param {RequestOptions} options
 * @param {Record<string, string>} extraHeaders
 * @returns {Promise<Response | null>}
 */
async function attempt(method, path, options, extraHeaders) {
  const { query, body, form, key, ifMatch, isPublic } = options;
  /** @type {Record<string, string>} */
  const headers = { ...extraHeaders };
  if (!isPublic && accessToken) headers.Authorization = `Bearer ${accessToken.value}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (ifMatch) headers["If-Match"] = ifMatch;
  const signals = [
    options.signal,
    isStream(extraHeaders) || form instanceof FormData ? null : AbortSignal.timeout(TIMEOUT_MS),
  ];
  try {
    const response = await fetch(url(path, query), {
      method,
      headers,
      body: body === undefined ? form : JSON.stringify(body),
      // Public answers may be stored for a while: a share that was revoked must not be shown from there.
      cache: isPublic ? "no-cache" : "default",
      signal: AbortSignal.any(signals.filter((each) => each instanceof AbortSignal)),
    });
    noteClock(response);
    isReachable.value = !AWAY.has(response.status);
    return response;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    isReachable.value = false;
    return null;
  }
}

/**
 * @param {Response | null} response
 * @returns {Promise<never>}
 */
async function fail(response) {
  if (!response || AWAY.has(response.status)) throw new UnreachableError();
  const problem = await response.json().catch(() => ({ title: response.statusText, code: "unknown" }));
  throw new ApiError(response.status, problem, retryAfter(response));
}

/** Return false when the service is too busy to renew the token. */
async function ensureToken() {
  const isNew = accessToken !== null && accessToken.expiresAt >= Date.now() + RENEWAL_MARGIN_MS;
  return isNew || renewToken();
}

/** @type {Promise<boolean> | null} */
let renewal = null;

/** Renew the access token. All requests that need it wait for the same answer, which is false when the service is busy. */
function renewToken() {
  renewal ??= renew().finally(() => {
    renewal = null;
  });
  return renewal;
}

async function renew() {
  const before = accessToken;
  const isDone = await exclusively(() => renewOnce(before));
  if (isDone && !accessToken) throw new SignedOutError();
  return isDone;
}

/**
 * Tabs take turns; a tab that waited takes the token that another one has just received.
 *
 * @param {typeof accessToken} before
 * @returns {Promise<boolean>} False when the service is busy.
 */
async function renewOnce(before) {
  if (accessToken !== before && accessToken) return true;
  const response = await attempt("POST", "auth/refresh", { isPublic: true }, {});
  const mustWait = response !== null && noteRetryAfter(response);
  if (response?.ok) acceptToken(await response.json());
  else if (response && response.status < 500 && response.status !== 429) {
    forgetSession(session.peek() === "signed-in" ? "expired" : "signed-out");
  } else if (mustWait && response.status === 429) {
    // The page opens, and says why it waits.
    if (session.peek() === "unknown") session.value = "signed-in";
    return false;
  } else throw new UnreachableError();
  return true;
}

/**
 * Run the work when no other tab runs it. Web Locks exist on https and localhost only; elsewhere, the grace period of
 * refresh tokens protects several tabs.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function exclusively(work) {
  return navigator.locks ? await navigator.locks.request(SESSION_MARK, work) : work();
}

/** @param {import("./types").Token} token */
function acceptToken(token) {
  storeToken({ value: token.access_token, expiresAt: Date.now() + token.expires_in * 1000 });
  channel.postMessage({ token: accessToken });
}

/** @param {{value: string, expiresAt: number}} token */
function storeToken(token) {
  accessToken = token;
  localStorage.setItem(SESSION_MARK, "1");
  session.value = "signed-in";
}

channel.onmessage = (/** @type {MessageEvent} */ { data }) => {
  if (data.signedOut) forgetSession();
  // A tab that opens takes it too: many tabs that open at once need one token.
  else if (session.peek() === "signed-in" || session.peek() === "unknown") storeToken(data.token);
};

/**
 * @param {string} path
 * @param {RequestOptions["query"]} query
 */
function url(path, query = {}) {
  const result = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") result.searchParams.append(name, String(each));
    }
  }
  return result;
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 */
async function pause(milliseconds, signal) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  signal?.throwIfAborted();
}

/** @param {string} name */
function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
}
