// Reactive values: signals hold state, effects run again when a signal that they read has changed.

/**
 * @template T
 * @typedef {object} ReadSignal
 * @property {T} value The current value. Reading it in an effect makes the effect depend on it.
 * @property {() => T} peek Return the current value without depending on it.
 */

/**
 * @template T
 * @typedef {{value: T, peek: () => T}} Signal
 */

/**
 * @typedef {object} Effect
 * @property {() => void} run
 * @property {Set<Set<Effect>>} sources The listeners of the signals that the last run has read.
 * @property {boolean} isDisposed
 */

/** @type {Effect | null} */
let running = null;

/** @type {Array<() => void> | null} */
let cleanups = null;

/** @type {Set<Effect> | null} */
let pending = null;

/**
 * Create a signal. Setting an identical value (Object.is) notifies nobody.
 *
 * @template T
 * @param {T} initial
 * @returns {Signal<T>}
 */
export function signal(initial) {
  let current = initial;
  /** @type {Set<Effect>} */
  const listeners = new Set();
  return {
    get value() {
      if (running) {
        listeners.add(running);
        running.sources.add(listeners);
      }
      return current;
    },
    set value(next) {
      if (Object.is(next, current)) return;
      current = next;
      notify(listeners);
    },
    peek: () => current,
  };
}

/**
 * Create a signal that is derived from others. It is updated at once when one of them changes.
 *
 * @template T
 * @param {() => T} derive
 * @returns {ReadSignal<T>}
 */
export function computed(derive) {
  const derived = signal(/** @type {T} */ (undefined));
  effect(() => {
    derived.value = derive();
  });
  return derived;
}

/**
 * Run a function now, and again after each change of a signal that its last run has read.
 *
 * What the function registers with onCleanup is undone before the next run and when the enclosing scope ends.
 *
 * @param {() => void} body
 * @returns {() => void} Ends the effect.
 */
export function effect(body) {
  /** @type {Array<() => void>} */
  let own = [];
  /** @type {Effect} */
  const self = {
    run() {
      release();
      if (self.isDisposed) return;
      own = [];
      within(self, own, body);
    },
    sources: new Set(),
    isDisposed: false,
  };
  function release() {
    for (const listeners of self.sources) listeners.delete(self);
    self.sources.clear();
    const ended = own;
    own = [];
    for (const cleanup of ended.reverse()) cleanup();
  }
  function dispose() {
    self.isDisposed = true;
    release();
  }
  onCleanup(dispose);
  self.run();
  return dispose;
}

/**
 * Register work for the end of the current effect or scope. Outside of both it is never called.
 *
 * @param {() => void} cleanup
 */
export function onCleanup(cleanup) {
  cleanups?.push(cleanup);
}

/**
 * Run a function whose effects live until the returned function is called. Its reads make no effect depend on them.
 *
 * @template T
 * @param {() => T} body
 * @returns {[T, () => void]} The result, and the function that ends the effects.
 */
export function scope(body) {
  /** @type {Array<() => void>} */
  const own = [];
  const result = within(null, own, body);
  return [
    result,
    () => {
      for (const cleanup of own.splice(0).reverse()) cleanup();
    },
  ];
}

/**
 * @template T
 * @param {Effect | null} self
 * @param {Array<() => void> | null} own
 * @param {() => T} body
 * @returns {T}
 */
function within(self, own, body) {
  const [outer, outerCleanups] = [running, cleanups];
  [running, cleanups] = [self, own];
  try {
    return body();
  } finally {
    [running, cleanups] = [outer, outerCleanups];
  }
}

/**
 * Run a function without making the current effect depend on what it reads.
 *
 * @template T
 * @param {() => T} body
 * @returns {T}
 */
export function untracked(body) {
  return within(null, cleanups, body);
}

/**
 * Set several signals and run each dependent effect once, at the end.
 *
 * @param {() => void} body
 */
export function batch(body) {
  if (pending) {
    body();
    return;
  }
  /** @type {Set<Effect>} */
  const collected = new Set();
  pending = collected;
  try {
    body();
  } finally {
    pending = null;
    for (const listener of collected) listener.run();
  }
}

/** @param {Set<Effect>} listeners */
function notify(listeners) {
  for (const listener of [...listeners]) {
    if (listener === running) continue;
    if (pending) pending.add(listener);
    else if (!listener.isDisposed) listener.run();
  }
}
