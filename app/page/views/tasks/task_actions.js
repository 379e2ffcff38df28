// What a person does with tasks of the list. A change shows at once and is corrected by the answer of the service.

import { computed, signal } from "../../lib/signal.js";
import { attempt, notify, notifyWithUndo } from "../../parts/notice.js";
import { forEachParallel } from "../../store/resource.js";
import { changeTasks, restoreTask, trashTask, updateTask } from "../../store/tasks.js";
import { start, stop, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";

/**
 * @typedef {import("../../types").Task} Task
 * @typedef {{fields: Partial<Task>, isGone: boolean}} Pending
 */

/**
 * Return the tasks with the changes that are on their way, and the actions that change them.
 *
 * @param {import("../../lib/signal.js").Signal<Task[] | null>} data
 */
export function taskActions(data) {
  const pending = signal(/** @type {ReadonlyMap<string, Pending>} */ (new Map()));
  const tasks = computed(() =>
    (data.value ?? []).flatMap((task) => {
      const change = pending.value.get(task.id);
      if (!change) return [task];
      return change.isGone ? [] : [{ ...task, ...change.fields }];
    }),
  );

  /**
   * @param {Task} task
   * @param {Pending} change
   * @param {() => Promise<{isSent: boolean, data?: any}>} send
   */
  async function optimistically(task, change, send) {
    const earlier = pending.peek().get(task.id)?.fields;
    const own = { ...change, fields: { ...earlier, ...change.fields } };
    pending.value = new Map(pending.peek()).set(task.id, own);
    const isDone = await attempt(async () => {
      const { data: answer } = await send();
      replace(data, task.id, (stored) => (change.isGone ? null : { ...stored, ...(answer ?? change.fields) }));
    });
    if (pending.peek().get(task.id) === own) {
      const rest = new Map(pending.peek());
      rest.delete(task.id);
      pending.value = rest;
    }
    return isDone;
  }

  return {
    tasks,
    /**
     * @param {Task} task
     * @param {Partial<Task>} fields
     */
    async change(task, fields) {
      const isDone = await optimistically(task, { fields, isGone: false }, () => updateTask(task, fields));
      if (!isDone || fields.status !== "completed") return;
      notifyWithUndo(t("tasks.completed", { title: task.title }), () => updateTask(task, { status: task.status }));
    },
    /** @param {Task} task */
    async trash(task) {
      const isDone = await optimistically(task, { fields: {}, isGone: true }, () => trashTask(task));
      if (isDone) notifyWithUndo(t("tasks.trashed", { title: task.title }), () => restoreTask(task));
    },
    /** @param {Task} task */
    async restore(task) {
      const isDone = await optimistically(task, { fields: {}, isGone: true }, () => restoreTask(task));
      if (isDone) notify(t("tasks.restored", { title: task.title }));
    },
    /** @param {Task} task */
    async toggleTimer(task) {
      const work = { taskId: task.id, title: task.title, projectId: task.project_id };
      await attempt(() => (timer.peek()?.taskId === task.id ? stop() : start(work)));
    },
  };
}

/**
 * Change many tasks to the same values.
 *
 * @param {readonly Task[]} tasks
 * @param {Partial<Task>} fields
 */
export async function changeAll(tasks, fields) {
  const names = /** @type {(keyof Task)[]} */ (Object.keys(fields));
  const before = tasks.map((task) => Object.fromEntries(names.map((name) => [name, task[name]])));
  await attempt(async () => {
    const result = await changeTasks(tasks.map(({ id }) => ({ op: "update", task_id: id, body: fields })));
    const undo = () =>
      changeTasks(tasks.map(({ id }, index) => ({ op: "update", task_id: id, body: before[index] ?? {} })));
    reportAll("tasks.changed_all", result, undo);
  });
}

/** @param {readonly Task[]} tasks */
export async function trashAll(tasks) {
  await attempt(async () => {
    const result = await changeTasks(tasks.map(({ id }) => ({ op: "delete", task_id: id })));
    reportAll("tasks.trashed_all", result, () => restoreAll(tasks));
  });
}

/** @param {readonly Task[]} tasks */
export async function restoreAll(tasks) {
  await forEachParallel(tasks, restoreTask);
}

/**
 * @param {string} key
 * @param {{changed: number, problems: string[]}} result
 * @param {() => Promise<unknown>} undo
 */
function reportAll(key, { changed, problems }, undo) {
  if (changed > 0) notifyWithUndo(t(key, { count: changed }), undo);
  if (problems.length === 0) return;
  notify(t("tasks.not_changed", { count: problems.length, reason: problems[0] ?? "" }), { isError: true });
}

/**
 * @param {import("../../lib/signal.js").Signal<Task[] | null>} data
 * @param {string} id
 * @param {(task: Task) => Task | null} change Returns null to remove the task.
 */
function replace(data, id, change) {
  data.value = (data.peek() ?? []).flatMap((task) => (task.id === id ? (change(task) ?? []) : [task]));
}
