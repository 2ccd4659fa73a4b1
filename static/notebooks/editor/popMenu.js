/** A menu with words beside something in the text: for a block, for a table. */
import { element, icon } from "./elements.js";
import { place } from "./placing.js";

/** Return an entry: `run` does it; `more` is a class. */
export function entry(shown, label, run, { more = "", disabled = false } = {}) {
  return { shown, label, run, more, disabled };
}

export class PopMenu {
  #anchor = null;
  #closed = () => {};

  constructor(box) {
    this.box = box;
    this.dom = element("div", { class: "block-menu", role: "menu", hidden: true });
    box.append(this.dom);
    this.stop = new AbortController();
    const { signal } = this.stop;
    document.addEventListener("mousedown", (event) => this.#outside(event), { signal });
    this.dom.addEventListener("keydown", (event) => this.#onKey(event), { signal });
  }

  get isOpen() {
    return !this.dom.hidden;
  }

  /** Show entries (null is a line, a string a title) beside an element; `closed` is told whether one was chosen. */
  open(anchor, label, entries, closed = () => {}) {
    this.#anchor = anchor;
    this.#closed = closed;
    this.dom.setAttribute("aria-label", label);
    this.dom.replaceChildren(...entries.map((one) => this.#part(one)));
    this.dom.hidden = false;
    anchor.setAttribute("aria-expanded", "true");
    place(this.dom, this.box, anchor.getBoundingClientRect());
    this.dom.querySelector("button:not(:disabled)")?.focus({ preventScroll: true });
  }

  #part(one) {
    if (one === null) return element("hr", { class: "menu-line" });
    if (typeof one === "string") return element("p", { class: "menu-title" }, one);
    const click = () => {
      this.close(true);
      one.run();
    };
    const shown = {
      type: "button",
      class: `menu-item ${one.more}`,
      role: "menuitem",
      disabled: one.disabled,
    };
    return element(
      "button",
      { ...shown, on: { click } },
      icon(one.shown),
      element("span", { class: "grow" }, one.label),
    );
  }

  close(chosen = false) {
    if (!this.isOpen) return;
    this.dom.hidden = true;
    this.#anchor.setAttribute("aria-expanded", "false");
    this.#closed(chosen);
  }

  #outside({ target }) {
    if (!this.dom.contains(target) && !this.#anchor?.contains(target)) this.close();
  }

  #onKey(event) {
    const entries = [...this.dom.querySelectorAll("button:not(:disabled)")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step)
      entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  destroy() {
    this.stop.abort();
    this.dom.remove();
  }
}
