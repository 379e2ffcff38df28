// What the sign-in form needs to know about a session that has ended: stored for the next document of this tab.

const KEY = "task-timer.ended-session";

/** Remember the user of a session that ended without being asked to. @param {string} email */
export function rememberSession(email) {
  sessionStorage.setItem(KEY, JSON.stringify({ email }));
}

/** Forget it: somebody has signed in or out. */
export function forgetLastSession() {
  sessionStorage.removeItem(KEY);
}

/** @returns {{email: string} | null} The session that has ended, unless the user has signed out. */
export function lastSession() {
  const stored = sessionStorage.getItem(KEY);
  return stored ? JSON.parse(stored) : null;
}
