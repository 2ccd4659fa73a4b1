/** Say in words what htmx would only log, and give what it swaps in a live behaviour. */
import { toast, words } from "./toasts.js";

/** Return the reason that a refused request gives in its answer, see templates/core/refused.html. */
function reason(xhr) {
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  return answer.getElementById("refusal")?.textContent.trim();
}

async function load(src) {
  // It looks for its attributes at once on a complete page, and never on one that is about to be.
  if (document.readyState !== "complete")
    await new Promise((done) => addEventListener("load", done, { once: true }));
  const script = Object.assign(document.createElement("script"), { src });
  await new Promise((done, fail) => {
    script.addEventListener("load", done);
    script.addEventListener("error", fail);
    document.head.append(script);
  });
}

/**
 * The page of a notebook begins without htmx, the text comes first: <meta name="htmx-later"> says where it is. Whatever
 * asks for it before it is there asks again afterwards.
 */
function fetchWhenAsked(src) {
  let coming = null;
  const afterwards = (ask) => {
    coming ??= load(src);
    coming.then(ask, () => {
      coming = null;
      toast(words("offline"), "warning");
    });
  };
  document.addEventListener("click", ({ target }) => {
    const asking = target.closest?.("[hx-get]");
    if (asking && !window.htmx) afterwards(() => window.htmx.trigger(asking, "click"));
  });
  document.addEventListener("submit", (event) => {
    const { target, submitter, defaultPrevented } = event;
    if (window.htmx || defaultPrevented || !target.matches("[hx-post]")) return;
    event.preventDefault();
    afterwards(() => target.requestSubmit(submitter));
  });
}

export function startHtmx() {
  const later = document.querySelector("meta[name=htmx-later]");
  if (later) fetchWhenAsked(later.content);
  document.addEventListener("htmx:sendError", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:timeout", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    const { status } = detail.xhr;
    const fallback = words(status === 403 || status === 404 ? "gone" : "failed");
    toast(reason(detail.xhr) || fallback, "error");
  });
}
