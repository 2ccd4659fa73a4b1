/** The left rail: narrow or wide on a big page (remembered), a drawer on a small one. */
import { remember } from "./cookies.js";

export function startRail() {
  const rail = document.getElementById("rail");
  const button = document.querySelector("[data-rail-toggle]");
  if (!rail || !button) return;
  const root = document.documentElement;
  button.addEventListener("click", () => {
    const narrow = root.dataset.rail !== "narrow";
    if (narrow) root.dataset.rail = "narrow";
    else root.removeAttribute("data-rail");
    remember("rail", narrow ? "narrow" : "wide");
    button.setAttribute("aria-pressed", String(narrow));
  });
  // A drawer left open would lie over the page when the window becomes wide.
  window.matchMedia("(width >= 56rem)").addEventListener("change", () => {
    if (rail.matches(":popover-open")) rail.hidePopover();
  });
}
