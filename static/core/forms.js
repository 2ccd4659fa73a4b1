/** A form that is sent without a network keeps what was typed, where the browser would show an error page instead. */
import { toast, words } from "./toasts.js";

const BY_HTMX = "[hx-get], [hx-post], [hx-put], [hx-patch], [hx-delete]"; // tells it by itself
const asked = new WeakSet();

/** The network may be away and the server on this machine all the same. */
async function isReached() {
  try {
    const url = words("alive"); // where every process tells that it answers
    await fetch(url, { method: "HEAD", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}

export function startForms() {
  // After all listeners of the document: what one of them takes on is its own.
  addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (asked.delete(form) || navigator.onLine || event.defaultPrevented) return;
    if (form.method === "dialog" || form.matches(BY_HTMX)) return;
    event.preventDefault();
    if (await isReached()) {
      asked.add(form);
      form.requestSubmit(submitter);
    } else toast(words("offline"), "warning");
  });
}
