/**
 * The service worker: it makes the page open while the service cannot be reached.
 *
 * It stores one version of the page as a whole. A later version is stored by its own worker, which takes over when no
 * tab shows this version any more. Requests to the API never pass through here.
 */

const HASH = "{hash}";
/** @type {string[]} */
const FILES = JSON.parse("{files}");

const PREFIX = "task-timer-page-";
const CACHE = PREFIX + HASH;
const PAGE = new URL("./", self.location.href).href;
const MANIFEST = new URL("manifest.webmanifest", PAGE).href;
const ASSETS = new URL(`page/${HASH}/`, PAGE).href;
const MAX_WAIT_MS = 4000;

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", (event) => event.waitUntil(storePage()));

worker.addEventListener("activate", (event) => event.waitUntil(removeOtherVersions()));

worker.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const address = url.split(/[?#]/)[0] ?? "";
  if (method !== "GET") return;
  if (address.startsWith(ASSETS)) event.respondWith(fromCacheFirst(event.request));
  if (address === PAGE || address === MANIFEST) event.respondWith(fromNetworkFirst(event.request, address));
});

/** Store all files. Throws if the service has another version by now; the browser then tries the next version. */
async function storePage() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((name) => ASSETS + name));
  const [page, manifest] = await Promise.all([fetchNow(PAGE), fetchNow(MANIFEST)]);
  if (!(await page.clone().text()).includes(HASH)) throw new Error("the service has another version of the page");
  await Promise.all([cache.put(PAGE, page), cache.put(MANIFEST, manifest)]);
}

/** @param {string} url */
async function fetchNow(url) {
  const response = await fetch(url, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

/** Remove the other versions, which no tab shows any more. */
async function removeOtherVersions() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

/** @param {Request} request */
async function fromCacheFirst(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) ?? fetch(request);
}

/**
 * Return the current version, or the stored one if the service is slow, away or failing.
 *
 * @param {Request} request
 * @param {string} address
 */
async function fromNetworkFirst(request, address) {
  const cache = await caches.open(CACHE);
  const stored = await cache.match(address);
  if (!stored) return fetch(request);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(MAX_WAIT_MS) });
    return response.status < 500 ? response : stored;
  } catch {
    return stored;
  }
}
