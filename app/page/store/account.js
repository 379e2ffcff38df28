// The account: its profile, sessions, tokens, webhooks, calendar feeds, the audit trail, and its end.

import { download, forgetSession, newKey, request } from "../api.js";
import { profile } from "./profile.js";

/**
 * @template T
 * @typedef {{items: T[], next_cursor: string | null}} Page
 */
/** @typedef {{cursor: string | null, limit: number}} PageQuery */

/**
 * Return a page of one of the account's lists.
 *
 * @param {"auth/sessions" | "auth/api-tokens" | "webhooks" | "calendar-feeds" | "users/me/audit" | string} list
 * @param {PageQuery} page
 * @param {AbortSignal} signal
 * @returns {Promise<Page<any>>}
 */
export async function listOf(list, page, signal) {
  return (await request("GET", list, { query: page, signal })).data;
}

/**
 * Change the profile.
 *
 * @param {Record<string, unknown>} fields Merged as JSON merge patch.
 */
export async function updateProfile(fields) {
  profile.value = (await request("PATCH", "users/me", { body: fields })).data;
}

/** @param {{current_password: string, new_password: string}} passwords Ends all sessions. */
export async function changePassword(passwords) {
  await request("POST", "auth/password", { body: passwords });
  forgetSession();
}

/**
 * Create something whose secret is shown once.
 *
 * @param {"auth/api-tokens" | "webhooks" | "calendar-feeds" | string} list
 * @param {Record<string, unknown>} body
 * @returns {Promise<any>}
 */
export async function createIn(list, body) {
  return (await request("POST", list, { body })).data;
}

/**
 * Remove an item of one of the account's lists: end a session, revoke a token or feed, delete a webhook.
 *
 * @param {string} list
 * @param {string} id
 */
export async function removeFrom(list, id) {
  await request("DELETE", `${list}/${id}`);
}

/**
 * @param {string} id
 * @param {{active: boolean}} fields
 */
export async function updateWebhook(id, fields) {
  await request("PATCH", `webhooks/${id}`, { body: fields });
}

/** @param {string} id */
export async function sendTestEvent(id) {
  await request("POST", `webhooks/${id}/test`, { key: newKey() });
}

/**
 * @param {string} id
 * @returns {Promise<string>} The new secret.
 */
export async function rotateSecret(id) {
  return (await request("POST", `webhooks/${id}/rotate-secret`)).data.secret;
}

/**
 * @param {string} webhookId
 * @param {string} deliveryId
 */
export async function retryDelivery(webhookId, deliveryId) {
  await request("POST", `webhooks/${webhookId}/deliveries/${deliveryId}/retry`);
}

/** Return the account file: all that is the user's. */
export function downloadAccount() {
  return download("exports/account.ndjson.gz");
}

/** @param {string} password Deletes all that is the user's. */
export async function deleteAccount(password) {
  await request("DELETE", "users/me", { body: { password } });
  forgetSession();
}
