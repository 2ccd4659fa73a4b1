/**
 * Light, dark, or as the system says.
 *
 * The server writes <html data-theme> from the cookie. A page that an offline cache kept may carry an older
 * choice, so the attribute is set again from the cookie when the script starts.
 */
import { remember, remembered } from "./cookies.js";

const CHOICES = ["system", "light", "dark"];

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
  });
}
