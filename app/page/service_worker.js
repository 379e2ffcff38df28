// Registers the service worker, with which the page opens while the service cannot be reached.

/** Register it when the page has loaded. There is none on plain http, except on localhost. */
export function registerServiceWorker() {
  if (!navigator.serviceWorker) return;
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}

function register() {
  const url = new URL("sw.js", document.baseURI).href;
  // The content security policy allows a script's URL only from this policy.
  const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("task-timer", {
    createScriptURL: () => url,
  });
  navigator.serviceWorker.register(policy?.createScriptURL("") ?? url).catch(() => {
    // The page works without it, but only with a connection.
  });
}
