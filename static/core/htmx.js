/** Say in words what htmx would only log, and give what it swaps in a live behaviour. */
import { toast } from "./toasts.js";

function words(name) {
  return document.getElementById("toast-template")?.dataset[name] ?? "";
}

export function startHtmx() {
  document.addEventListener("htmx:sendError", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:timeout", () => toast(words("offline"), "warning"));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    const { status } = detail.xhr;
    if (status === 401) location.reload();
    else toast(words(status === 403 || status === 404 ? "gone" : "failed"), "error");
  });
}
