/**
 * The service worker: opens a notebook's page again when there is no network.
 *
 * Network first, always: a page or a script from here is only ever the answer to "unreachable". Pages
 * are kept one by one, as they were opened by the person signed in; signing out, and somebody else
 * signing in, deletes them all (wipe.entry.js). BUILD is put before this file by the view that serves it.
 */
/* global BUILD */

const FILES = `files.${BUILD}`;
const PAGES = `pages.${BUILD}`;
const PATIENCE_MS = 5_000;
const PAGE = /^\/n\/[0-9a-f-]{36}\/$/;
const IMAGE = /^\/n\/[0-9a-f-]{36}\/images\/[0-9a-f-]{36}\/$/;

addEventListener("install", () => self.skipWaiting());

addEventListener("activate", (event) => event.waitUntil(begin()));

addEventListener("message", ({ data }) => {
  if (data?.keep) keep(data.keep);
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && PAGE.test(url.pathname)) {
    event.respondWith(networkFirst(request, PAGES));
  } else if (url.pathname.startsWith("/static/")) {
    event.respondWith(networkFirst(request, FILES));
  } else if (IMAGE.test(url.pathname)) {
    event.respondWith(networkFirst(request, PAGES));
  }
});

/** Delete what earlier builds kept. */
async function begin() {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name !== FILES && name !== PAGES).map((name) => caches.delete(name)),
  );
  await self.clients.claim();
}

/** Keep a page that was loaded before this worker was there. */
async function keep({ page, files }) {
  const fetchInto = async (name, url) => {
    const cache = await caches.open(name);
    if (await cache.match(url, { ignoreVary: true })) return;
    const response = await fetch(url, { credentials: "same-origin" });
    if (mayKeep(response)) await cache.put(url, response);
  };
  const wanted = [fetchInto(PAGES, page.split("#")[0]), ...files.map((url) => fetchInto(FILES, url))];
  await Promise.allSettled(wanted);
}

async function networkFirst(request, name) {
  const cache = await caches.open(name);
  try {
    const response = await withPatience(fetch(request), () => cache.match(request, { ignoreVary: true }));
    if (mayKeep(response)) await cache.put(request, response.clone());
    else if (response.status === 404 || isRedirect(response)) await cache.delete(request);
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

/** Wait for the network, but not for ever where something is kept. */
async function withPatience(fetching, kept) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(async () => {
      if (await kept()) reject(new Error("the network is too slow"));
    }, PATIENCE_MS);
  });
  try {
    return await Promise.race([fetching, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A navigation is answered with the redirect itself, everything else with where it led. */
function isRedirect(response) {
  return response.redirected || response.type === "opaqueredirect";
}

/** A sign-in page in place of a notebook must not be kept as one. */
function mayKeep(response) {
  return response.ok && response.type === "basic" && !response.redirected;
}
