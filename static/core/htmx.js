/** Say in words what htmx would only log, and give what it swaps in a live behaviour. */
import { toast } from "./toasts.js";

/** Return the reason that a refused request gives in its answer, see templates/core/refused.html. */
function reason(xhr) {
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  return answer.getElementById("refusal")?.textContent.trim();
}

function words(name) {
  return document.getElementById("toast-template")?.dataset[name] ?? "";
}

export function startHtmx() {
  document.addEventListener("htmx:sendError", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:timeout", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    const { status } = detail.xhr;
    const fallback = words(status === 403 || status === 404 ? "gone" : "failed");
    toast(reason(detail.xhr) || fallback, "error");
  });
}
