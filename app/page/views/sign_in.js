// Sign in, or create an account.

import { ApiError, signIn, UnreachableError } from "../api.js";
import { define, h } from "../lib/dom.js";
import { effect, signal } from "../lib/signal.js";
import { icon } from "../parts/icons.js";
import { describeError } from "../parts/notice.js";
import { lastSession } from "../parts/status/session_end.js";
import { untilLoaded } from "../store/presence/reachable.js";
import { createAccount, loadConfig } from "../store/profile.js";
import { t } from "../text/index.js";

const FOCUS_PATIENCE_MS = 5000;
const MIN_PASSWORD = 8;

/** @typedef {{email: string, password: string, form: string}} Errors What is wrong, next to each field and below them. */

/** @type {Errors} */
const NO_ERRORS = { email: "", password: "", form: "" };

define("tt-sign-in", () => {
  const last = lastSession();
  const isNew = signal(false);
  const isOpen = signal(false);
  const isBusy = signal(false);
  const errors = signal(NO_ERRORS);
  untilLoaded(async () => {
    isOpen.value = (await loadConfig()).registration_open;
  }).catch(() => {});
  const email = emailInput(errors, last?.email ?? "");
  const password = passwordInput(errors, isNew);

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (isBusy.peek()) return;
    isBusy.value = true;
    errors.value = missing(email.value, password.value, isNew.peek());
    if (errors.peek() === NO_ERRORS) errors.value = await send({ email, password, isNew: isNew.peek() });
    isBusy.value = false;
    if (errors.peek().email) email.focus();
    else if (errors.peek().password) password.focus();
  }

  function toggleNew() {
    isNew.value = !isNew.peek();
    errors.value = NO_ERRORS;
    email.focus();
  }

  queueMicrotask(() => (last ? password : email).focus());
  return h(
    "main",
    { class: "sign-in" },
    h(
      "form",
      { class: "sign-in-form", onsubmit, novalidate: true },
      h("p", { class: "sign-in-brand" }, icon("brand"), t("app.name")),
      h("h1", null, () => t(isNew.value ? "sign_in.create_title" : "sign_in.title")),
      last && h("p", { class: "sign-in-ended", role: "status" }, t("sign_in.ended")),
      field("email", t("sign_in.email"), email, errors),
      field("password", t("sign_in.password"), withVisibility(password), errors),
      () => isNew.value && h("p", { id: "password-hint", class: "muted" }, t("sign_in.password_hint")),
      h("p", { class: "form-error", role: "alert", hidden: () => !errors.value.form }, () => errors.value.form),
      h("button", { class: "primary", type: "submit", "aria-disabled": () => (isBusy.value ? "true" : null) }, () =>
        t(isNew.value ? "sign_in.create_submit" : "sign_in.submit"),
      ),
      () =>
        isOpen.value &&
        h("button", { class: "link", type: "button", onclick: toggleNew }, () =>
          t(isNew.value ? "sign_in.have_account" : "sign_in.create"),
        ),
    ),
  );
});

/** @typedef {import("../lib/signal.js").ReadSignal<Errors>} ErrorsSignal */

/**
 * @param {ErrorsSignal} errors
 * @param {string} value
 */
function emailInput(errors, value) {
  return h("input", {
    id: "email",
    type: "email",
    name: "username",
    autocomplete: "username",
    required: true,
    value,
    "aria-invalid": () => (errors.value.email ? "true" : null),
    "aria-describedby": () => (errors.value.email ? "email-error" : null),
  });
}

/**
 * @param {ErrorsSignal} errors
 * @param {import("../lib/signal.js").ReadSignal<boolean>} isNew
 */
function passwordInput(errors, isNew) {
  return h("input", {
    id: "password",
    type: "password",
    name: "password",
    required: true,
    maxlength: 128,
    autocomplete: () => (isNew.value ? "new-password" : "current-password"),
    "aria-invalid": () => (errors.value.password ? "true" : null),
    "aria-describedby": () => {
      const hint = isNew.value ? ["password-hint"] : [];
      return [...(errors.value.password ? ["password-error"] : []), ...hint].join(" ") || null;
    },
  });
}

/**
 * @param {"email" | "password"} name
 * @param {string} label
 * @param {HTMLElement} content
 * @param {ErrorsSignal} errors
 */
function field(name, label, content, errors) {
  return h(
    "div",
    { class: "field" },
    h("label", { for: name }, label),
    content,
    h(
      "p",
      { id: `${name}-error`, class: "form-error", role: "alert", hidden: () => !errors.value[name] },
      () => errors.value[name],
    ),
  );
}

/**
 * Add the button that shows what is typed.
 *
 * @param {HTMLInputElement} input
 */
function withVisibility(input) {
  const isVisible = signal(false);
  effect(() => {
    input.type = isVisible.value ? "text" : "password";
  });
  return h(
    "span",
    { class: "password-field" },
    input,
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": () => String(isVisible.value),
        "aria-label": t("sign_in.show_label"),
        onclick: () => {
          isVisible.value = !isVisible.peek();
        },
      },
      t("sign_in.show"),
    ),
  );
}

/**
 * Return what is missing before anything is sent.
 *
 * @param {string} email
 * @param {string} password
 * @param {boolean} isNew
 * @returns {Errors} NO_ERRORS itself when nothing is.
 */
function missing(email, password, isNew) {
  const isShort = isNew && password.length < MIN_PASSWORD;
  const errors = {
    email: email.trim() ? "" : t("sign_in.no_email"),
    password: isShort ? t("sign_in.password_short") : password ? "" : t("sign_in.no_password"),
    form: "",
  };
  return errors.email || errors.password ? errors : NO_ERRORS;
}

/**
 * @param {{email: HTMLInputElement, password: HTMLInputElement, isNew: boolean}} form
 * @returns {Promise<Errors>}
 */
async function send({ email, password, isNew }) {
  try {
    if (isNew) await create(email.value.trim(), password.value);
    await signIn(email.value.trim(), password.value);
    void focusTimer();
    return NO_ERRORS;
  } catch (error) {
    return describe(error);
  }
}

/** The address of an account whose creation got no answer. */
let unanswered = "";

/**
 * Create an account, unless it was created before and only the answer was lost.
 *
 * @param {string} email
 * @param {string} password
 */
async function create(email, password) {
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  try {
    await createAccount({ email, password, timezone });
  } catch (error) {
    if (error instanceof UnreachableError) unanswered = email;
    // The sign-in that follows tells whose account it is.
    const mayBeOwn = error instanceof ApiError && error.code === "email_taken" && email === unanswered;
    if (!mayBeOwn) throw error;
  }
}

/** The form is gone: the focus goes to where work begins, as soon as that is there. */
async function focusTimer() {
  const deadline = performance.now() + FOCUS_PATIENCE_MS;
  while (performance.now() < deadline) {
    const field = document.querySelector('[role="combobox"]');
    if (field instanceof HTMLElement) return field.focus();
    await new Promise(requestAnimationFrame);
  }
  return undefined;
}

/**
 * Return an error of the service next to the field that it is about.
 *
 * @param {unknown} error
 * @returns {Errors}
 */
function describe(error) {
  if (!(error instanceof ApiError)) return { ...NO_ERRORS, form: describeError(error) };
  if (error.code === "invalid_credentials") return { ...NO_ERRORS, password: t("sign_in.wrong") };
  if (error.code === "email_taken") return { ...NO_ERRORS, email: t("problem.email_taken") };
  const result = { ...NO_ERRORS };
  for (const { pointer = "", detail } of error.problem.errors ?? []) {
    if (pointer === "#/email") result.email = t("sign_in.email_invalid");
    else if (pointer === "#/password") result.password = passwordError(detail);
    else result.form = detail;
  }
  return result.email || result.password || result.form ? result : { ...NO_ERRORS, form: describeError(error) };
}

/** @param {string} detail The rule that the password breaks, in the words of the service. */
function passwordError(detail) {
  if (detail.includes("most common")) return t("sign_in.password_common");
  if (detail.includes("e-mail")) return t("sign_in.password_is_email");
  return t("sign_in.password_rule", { detail });
}
