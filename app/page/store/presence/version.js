// Whether the service has another version of the page than the one that is open.

import { isPageCurrent } from "../../api.js";
import { signal } from "../../lib/signal.js";
import { whenReachableAgain } from "./reachable.js";

/** Whether the page must be loaded again to get the files of the service's version. */
export const isOutdated = signal(false);

/** Compare the versions. Without an answer of the service nothing changes. */
export async function checkVersion() {
  if (!isOutdated.peek()) isOutdated.value = !(await isPageCurrent().catch(() => true));
}

/** Compare the versions each time the service is back: it may have been upgraded. Ends with the current scope. */
export function followVersion() {
  whenReachableAgain(checkVersion);
}
