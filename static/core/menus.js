/**
 * Keyboard and outside clicks for <details class="menu-box">.
 *
 * Arrow keys move through the entries, Escape closes and gives the focus back, a click elsewhere or leaving
 * with Tab closes. Without this script the menu still opens and closes with its own button.
 */
const ENTRIES = ".menu-sheet :is(a[href], button:not(:disabled), input:not(:disabled))";

function openMenus() {
  return document.querySelectorAll("details.menu-box[open]");
}

function step(menu, key) {
  const entries = [...menu.querySelectorAll(ENTRIES)].filter((entry) => entry.checkVisibility());
  if (!entries.length) return;
  const at = entries.indexOf(document.activeElement);
  const last = entries.length - 1;
  const next = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, Home: 0, End: last }[
    key
  ];
  entries[next].focus();
}

function onKey(event) {
  const menu = event.target.closest?.("details.menu-box");
  if (!menu) return;
  if (event.key === "Escape" && menu.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  }
  if (event.target.matches("input")) return; // arrow keys belong to the field
  if (["ArrowDown", "ArrowUp"].includes(event.key) || (menu.open && ["Home", "End"].includes(event.key))) {
    menu.open = true;
    step(menu, event.key);
    event.preventDefault();
  }
}

export function startMenus() {
  document.addEventListener("click", ({ target }) => {
    for (const menu of openMenus()) {
      const chosen = target.closest?.(".menu-item") && !target.closest("[data-menu-stays]");
      if (!menu.contains(target) || chosen) menu.open = false;
    }
  });
  document.addEventListener("focusin", ({ target }) => {
    for (const menu of openMenus()) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", onKey);
}
