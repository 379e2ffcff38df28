// The focus after an action that took its time.

/**
 * Move the focus after an action has been answered, unless the person is somewhere else by now.
 *
 * @param {Element | null} from Where the action was started.
 * @param {HTMLElement} to
 */
export function moveFocus(from, to) {
  const focused = document.activeElement;
  if (focused === document.body || from?.contains(focused)) to.focus();
}
