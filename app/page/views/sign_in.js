// Sign in, or create an account.

import { ApiError, signIn } from "../api.js";
import { define, h } from "../lib/dom.js";
import { signal } from "../lib/signal.js";
import { icon } from "../parts/icons.js";
import { describeError } from "../parts/notice.js";
import { createAccount, loadConfig } from "../store/profile.js";
import { t } from "../text/index.js";

define("tt-sign-in", () => {
  const isNew = signal(false);
  const isOpen = signal(false);
  const isBusy = signal(false);
  const error = signal("");
  loadConfig().then(
    (config) => {
      isOpen.value = config.registration_open;
    },
    () => {},
  );

  const email = h("input", { id: "email", type: "email", name: "username", autocomplete: "username", required: true });
  const password = h("input", {
    id: "password",
    type: "password",
    name: "password",
    required: true,
    autocomplete: () => (isNew.value ? "new-password" : "current-password"),
  });

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    isBusy.value = true;
    error.value = "";
    try {
      if (isNew.peek()) {
        const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        await createAccount({ email: email.value, password: password.value, timezone });
      }
      await signIn(email.value, password.value);
    } catch (failure) {
      const isWrong = failure instanceof ApiError && failure.code === "invalid_credentials";
      error.value = isWrong ? t("sign_in.wrong") : describeError(failure);
      (isWrong ? password : email).focus();
    } finally {
      isBusy.value = false;
    }
  }

  return h(
    "main",
    { class: "sign-in" },
    h(
      "form",
      { class: "sign-in-form", onsubmit },
      h("h1", { class: "sign-in-brand" }, icon("brand"), t("app.name")),
      h("h2", null, () => t(isNew.value ? "sign_in.create_title" : "sign_in.title")),
      h("label", { for: "email" }, t("sign_in.email")),
      email,
      h("label", { for: "password" }, t("sign_in.password")),
      password,
      h("p", { class: "form-error", role: "alert" }, () => error.value),
      h("button", { class: "primary", type: "submit", disabled: () => isBusy.value }, () =>
        t(isNew.value ? "sign_in.create_submit" : "sign_in.submit"),
      ),
      () =>
        isOpen.value &&
        h(
          "button",
          {
            class: "link",
            type: "button",
            onclick: () => {
              isNew.value = !isNew.peek();
              error.value = "";
            },
          },
          () => t(isNew.value ? "sign_in.have_account" : "sign_in.create"),
        ),
    ),
  );
});
