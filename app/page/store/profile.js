// The user, and the settings that follow from it.

import { request } from "../api.js";
import { computed, signal } from "../lib/signal.js";
import { lastAnswer, read } from "./offline/snapshots.js";

/** @typedef {import("../types").User} User */

/** The signed-in user, or null before it is loaded. */
export const profile = signal(/** @type {User | null} */ (null));

/** The user's IANA time zone. Days of the page are days of this zone. */
export const zone = computed(() => profile.value?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);

/** The first day of the week: 0 (Monday) to 6 (Sunday). */
export const weekStart = computed(() => profile.value?.week_start ?? 0);

/** The user's preferences. Empty before they are loaded. */
export const preferences = computed(
  () => /** @type {Partial<import("../types").Preferences>} */ (profile.value?.preferences ?? {}),
);

/** Load the user. Until the service has answered, zone and language are those of the last answer. */
export async function loadProfile() {
  const loading = read("users/me");
  profile.value ??= await lastAnswer("users/me");
  const before = profile.peek();
  const loaded = await loading;
  // A change that was stored meanwhile is newer.
  if (profile.peek() === before && JSON.stringify(loaded) !== JSON.stringify(before)) profile.value = loaded;
}

/**
 * Return whether people may create accounts.
 *
 * @returns {Promise<{name: string, version: string, registration_open: boolean}>}
 */
export async function loadConfig() {
  return (await request("GET", "config", { isPublic: true })).data;
}

/**
 * Create an account.
 *
 * @param {{email: string, password: string, timezone: string}} account
 */
export async function createAccount(account) {
  await request("POST", "users", { body: account, isPublic: true });
}
