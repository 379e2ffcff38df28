// The dialog that creates a task or changes all of its fields.

import { ApiError, UnreachableError } from "../../api.js";
import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { showDialog } from "../../parts/dialog.js";
import { describeByField, submission } from "../../parts/submission.js";
import { project } from "../../store/projects.js";
import { createTask, loadTask, updateTask } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { clashList } from "./clashes.js";
import { newestEntries } from "./task_entries.js";
import { FIELDS, fieldsOf, merge, patchOf } from "./task_fields.js";
import { taskForm } from "./task_form.js";

/**
 * @typedef {import("../../types").Task} Task
 * @typedef {import("./task_fields.js").Fields} Fields
 */

/** @type {Fields} */
const NEW_TASK = {
  title: "",
  description: null,
  status: "pending",
  project_id: null,
  tags: [],
  priority: null,
  due_at: null,
  estimate_seconds: null,
  billable: false,
};

/**
 * Let a person create a task.
 *
 * @param {string | null} projectId
 */
export function newTask(projectId) {
  return showDialog(t("tasks.new"), (/** @type {(task?: Task) => void} */ close) => {
    const form = taskForm({ ...NEW_TASK, project_id: projectId, billable: project(projectId)?.billable ?? false });
    return frame(form, close, async () => {
      // The project decides whether a new task is billable, unless the person did.
      const { billable, ...fields } = form.read();
      close(await createTask({ ...fields, ...(form.isBillableChosen() ? { billable } : {}) }));
    });
  });
}

/** How many dialogs were asked for. Of those that are being loaded, the last one opens. */
let asked = 0;

/**
 * Let a person change a task. Changes of others are merged; where both changed a field, the person decides.
 *
 * @param {Task} listed What is shown of it while the service is away, unless it was opened before.
 */
export async function editTask(listed) {
  const { id } = listed;
  asked += 1;
  const own = asked;
  const task = await loadTask(id).catch((error) => {
    if (!(error instanceof UnreachableError)) throw error;
    return { ...listed, time_entries: null };
  });
  if (own !== asked) return undefined;
  return showDialog(t("tasks.edit"), (/** @type {(isStored?: boolean) => void} */ close) => {
    let stored = /** @type {Task} */ (task);
    const form = taskForm(fieldsOf(task));
    const clashes = signal(/** @type {{name: keyof Fields, theirs: Fields}[]} */ ([]));

    async function save() {
      for (let attempts = 0; attempts < 3; attempts += 1) {
        const patch = patchOf(fieldsOf(stored), form.read());
        if (Object.keys(patch).length === 0) return close(false);
        try {
          await updateTask(stored, patch, { version: stored.version });
          return close(true);
        } catch (error) {
          if (!(error instanceof ApiError) || error.status !== 412) throw error;
        }
        if (await hasClashes()) return undefined;
      }
      throw new Error(t("tasks.busy"));
    }

    /** Load the newest version, and take over the fields that only others have changed. */
    async function hasClashes() {
      const newest = await loadTask(id);
      const { merged, clashes: names } = merge(fieldsOf(stored), form.read(), fieldsOf(newest));
      form.write(merged);
      stored = newest;
      clashes.value = names.map((name) => ({ name, theirs: fieldsOf(newest) }));
      return names.length > 0;
    }

    return [
      clashList(clashes, (name, theirs) => form.write({ ...form.read(), [name]: theirs[name] })),
      frame(form, close, save),
      task.time_entries && newestEntries(task),
    ];
  });
}

/**
 * @param {ReturnType<typeof taskForm>} form
 * @param {() => void} close
 * @param {() => Promise<unknown>} save
 */
function frame(form, close, save) {
  const error = signal("");
  const onsubmit = submission({
    check() {
      error.value = "";
      return form.check();
    },
    save,
    onfailure(failure) {
      const errors = describeByField(failure, FIELDS);
      form.showErrors(errors);
      error.value = errors[""] ?? "";
    },
  });
  return h(
    "form",
    { class: "entry-form", onsubmit, novalidate: true },
    form.elements,
    h("p", { class: "form-error", role: "alert" }, () => error.value),
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: () => close() }, t("common.cancel")),
      h("button", { type: "submit", class: "primary" }, t("common.save")),
    ),
  );
}
