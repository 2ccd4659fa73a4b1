/**
 * Keep this page and what it consists of, so that a reload without a network still opens it.
 */

const WORKER = "/sw.js";

/** Register the service worker and hand it everything that this page has loaded so far. */
export async function keepPage() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(WORKER);
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => new URL(entry.name));
    const files = loaded.filter(
      (url) => url.origin === location.origin && url.pathname.startsWith("/static/"),
    );
    active?.postMessage({ keep: { page: location.href, files: files.map((url) => url.href) } });
  } catch {
    // Without a worker everything works but a reload offline.
  }
}

/** Forget one kept page. */
export async function forgetPage(url) {
  if (!("caches" in globalThis)) return;
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    const path = new URL(url, location.href).pathname;
    const kept = await cache.keys();
    await Promise.all(
      kept
        .filter((request) => new URL(request.url).pathname.startsWith(path))
        .map((request) => cache.delete(request)),
    );
  }
}

/** Forget every kept page and file. */
export async function forgetPages() {
  if (!("caches" in globalThis)) return;
  await Promise.all((await caches.keys()).map((name) => caches.delete(name)));
}
