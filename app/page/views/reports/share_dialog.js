// Share the report: a link that needs no account, and the list of all links.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { confirm, showDialog } from "../../parts/dialog.js";
import { attempt, attemptOnce, describeFailure, loadFailure, notify } from "../../parts/notice.js";
import { copyText } from "../../parts/save.js";
import { zone } from "../../store/profile.js";
import { createShare, listShares, revokeShare } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { sharedReport } from "./state.js";

/** @typedef {import("../../store/reports.js").Share} Share */

const EXPIRIES = [7, 30, 90, 365];
const DEFAULT_EXPIRY = 30;
const MAX_TITLE = 100;

/**
 * Show the dialog.
 *
 * @param {import("./state.js").State} state
 * @param {import("./state.js").Range} range
 * @param {string} title The title to begin with.
 */
export function shareReport(state, range, title) {
  return showDialog(t("reports.share_title"), (/** @type {() => void} */ close) => {
    const link = signal("");
    const shares = resource(listShares);
    return [
      form({
        title,
        report: () => sharedReport(state, range),
        onshare: (secret) => {
          link.value = linkTo(secret);
          shares.reload();
        },
      }),
      () => link.value && newLink(link.value),
      list(shares),
      h("div", { class: "form-actions" }, h("button", { type: "button", onclick: () => close() }, t("common.close"))),
    ];
  });
}

/** @param {string} secret */
function linkTo(secret) {
  return new URL(`#/shared/${secret}`, document.baseURI).href;
}

/** @param {{title: string, report: () => Record<string, unknown>, onshare: (secret: string) => void}} options */
function form({ title, report, onshare }) {
  const error = signal("");
  const isBusy = signal(false);
  const name = h("input", {
    id: "share-name",
    type: "text",
    required: true,
    maxlength: MAX_TITLE,
    autofocus: true,
    value: title,
    "aria-invalid": () => (error.value ? "true" : null),
    "aria-describedby": "share-error",
  });
  const expiry = h("select", { id: "share-expiry" }, [
    EXPIRIES.map((days) =>
      h("option", { value: days, selected: days === DEFAULT_EXPIRY }, t("reports.expires_in", { count: days })),
    ),
    h("option", { value: "" }, t("reports.expires_never")),
  ]);
  const notes = h("input", { type: "checkbox" });
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (isBusy.peek()) return;
    [isBusy.value, error.value] = [true, ""];
    try {
      const days = expiry.value === "" ? null : Number(expiry.value);
      const share = await createShare({ name: name.value, report: report(), includeNotes: notes.checked, days });
      onshare(share.secret);
    } catch (failure) {
      error.value = describeFailure(failure);
      name.focus();
    } finally {
      isBusy.value = false;
    }
  }
  return h(
    "form",
    { class: "share-form", onsubmit: submit },
    h("p", { class: "muted" }, t("reports.share_explanation")),
    h("div", { class: "field" }, h("label", { for: "share-name" }, t("reports.share_name")), name),
    h("div", { class: "field" }, h("label", { for: "share-expiry" }, t("reports.share_expiry")), expiry),
    h("label", { class: "check" }, notes, t("reports.share_notes")),
    h("p", { id: "share-error", class: "form-error", role: "alert" }, () => error.value),
    h(
      "button",
      { type: "submit", class: "primary", "aria-disabled": () => (isBusy.value ? "true" : null) },
      t("reports.create_link"),
    ),
  );
}

/** @param {string} link */
function newLink(link) {
  const input = h("input", {
    id: "share-link",
    type: "text",
    readonly: true,
    value: link,
    onfocus: () => input.select(),
  });
  async function copy() {
    if (await copyText(input)) notify(t("reports.copied"));
  }
  queueMicrotask(() => input.focus());
  return h(
    "div",
    { class: "new-link" },
    h("label", { for: "share-link" }, t("reports.link")),
    h("div", { class: "link-row" }, [
      input,
      h("button", { type: "button", onclick: () => void attempt(copy) }, t("reports.copy")),
    ]),
    h("p", { class: "muted" }, t("reports.link_once")),
  );
}

/** @param {import("../../store/resource.js").Resource<Share[]>} shares */
function list(shares) {
  const heading = h("h3", { tabindex: "-1" }, t("reports.shares"));
  return h("section", { class: "share-list" }, [
    heading,
    () => {
      if (shares.error.value) return loadFailure(shares.error.value, shares.reload);
      const all = shares.data.value;
      if (!all) return h("p", { class: "muted loading" }, t("common.loading"));
      if (all.length === 0) return h("p", { class: "muted" }, t("reports.no_shares"));
      return h(
        "ul",
        null,
        all.map((share) => item(share, () => revoke(share))),
      );
    },
  ]);

  /** @param {Share} share */
  async function revoke(share) {
    const question = t("reports.revoke_question", { name: share.name });
    const texts = { yes: t("reports.revoke"), no: t("common.cancel"), detail: t("reports.revoke_detail") };
    if (!(await confirm(question, { ...texts, isDangerous: true }))) return;
    await revokeShare(share.id);
    shares.reload();
    heading.focus();
    notify(t("reports.revoked", { name: share.name }));
  }
}

/**
 * @param {Share} share
 * @param {() => Promise<void>} revoke
 */
function item(share, revoke) {
  const expiry = share.expires_at
    ? t("reports.expires_at", { time: formatDateTime(Date.parse(share.expires_at), zone.peek()) })
    : t("reports.expires_never");
  return h(
    "li",
    { class: "share" },
    h("span", { class: "share-name" }, h("bdi", null, share.name)),
    h("span", { class: "muted" }, expiry),
    h(
      "button",
      {
        type: "button",
        class: "danger",
        "aria-label": t("reports.revoke_of", { name: share.name }),
        onclick: attemptOnce(revoke),
      },
      t("reports.revoke"),
    ),
  );
}
