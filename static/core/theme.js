/**
 * Light, dark, or as the system says.
 *
 * The server writes <html data-theme> from the cookie. A page that an offline cache kept may carry an older
 * choice, so the attribute is set again from the cookie when the script starts.
 */
import { remember, remembered } from "./cookies.js";

const CHOICES = ["system", "light", "dark"];

/** Keep the choice with the account, so that the next device begins with it. */
function keep(choice) {
  const url = choice.closest("[data-theme-url]")?.dataset.themeUrl;
  if (!url) return;
  const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
  const body = new URLSearchParams({ theme: choice.value });
  // Offline the cookie alone remembers; nothing is lost that the person would miss.
  fetch(url, { method: "POST", headers, body }).catch(() => {});
}

function apply(theme) {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  for (const input of document.querySelectorAll("[data-theme-choice]")) {
    input.checked = input.value === theme;
  }
}

export function startTheme() {
  const kept = remembered("theme");
  if (CHOICES.includes(kept)) apply(kept);
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("[data-theme-choice]")) return;
    remember("theme", target.value);
    apply(target.value);
    keep(target);
  });
}
