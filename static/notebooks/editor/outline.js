/** The right panel: headings to jump to, and how much there is. Drawn when the browser has nothing better to do. */
import { element } from "./elements.js";
import { say } from "./words.js";

const REST_MS = 400;
const KEPT = "notebook-panel";
const WORD = /[\p{L}\p{N}]+(?:['’\-.][\p{L}\p{N}]+)*/gu;

export function countWords(text) {
  return text.match(WORD)?.length ?? 0;
}

/** Keep whether the panel is open; a browser without storage simply forgets. */
function keep(open) {
  try {
    localStorage.setItem(KEPT, open ? "outline" : "");
  } catch {
    // private mode: nothing to keep it in
  }
}

function wasOpen() {
  try {
    return localStorage.getItem(KEPT) === "outline";
  } catch {
    return false;
  }
}

export class Outline {
  #timer = 0;

  constructor(panel, toggle, editor) {
    this.panel = panel;
    this.toggle = toggle;
    this.editor = editor;
    this.list = panel.querySelector("[data-outline]");
    this.count = panel.querySelector("[data-count]");
    this.stop = new AbortController();
    const { signal } = this.stop;
    toggle.addEventListener("click", () => this.open(panel.hidden), { signal });
    panel.querySelector("[data-panel-close]").addEventListener("click", () => this.#close(), { signal });
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && this.#close(), { signal });
    const roomy = matchMedia("(width >= 72rem)").matches;
    this.open(roomy && wasOpen(), false);
  }

  open(open, remember = true) {
    this.panel.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (remember) keep(open);
    if (open) this.draw();
  }

  #close() {
    this.open(false);
    this.toggle.focus();
  }

  /** The document changed: draw again soon. */
  changed() {
    if (this.panel.hidden || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.draw();
    }, REST_MS);
  }

  draw() {
    if (this.editor.isDestroyed) return;
    const { doc } = this.editor.state;
    const entries = [];
    doc.descendants((node, pos) => {
      if (node.type.name === "heading" && node.textContent.trim()) entries.push(this.#entry(node, pos));
      return !node.isTextblock;
    });
    this.list.replaceChildren(...entries);
    this.panel.querySelector("[data-outline-none]").hidden = entries.length > 0;
    const text = doc.textBetween(0, doc.content.size, "\n", " ");
    this.count.textContent = say("words", { count: countWords(text) });
  }

  #entry(node, pos) {
    const go = () => {
      this.editor
        .chain()
        .setTextSelection(pos + 1)
        .focus(null, { scrollIntoView: false })
        .run();
      this.editor.view.nodeDOM(pos)?.scrollIntoView({ block: "start" });
      if (matchMedia("(width < 72rem)").matches) this.open(false, false);
    };
    const shown = { type: "button", class: `contents-${node.attrs.level}`, on: { click: go } };
    return element("li", {}, element("button", shown, node.textContent));
  }

  destroy() {
    clearTimeout(this.#timer);
    this.stop.abort();
  }
}
