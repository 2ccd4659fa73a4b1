/**
 * One floating toolbar with four faces: chosen words, a link, a picture, a table. The first face that fits the
 * selection is shown. Alt-F10 goes into it by keyboard, arrow keys move along it, Escape goes back to the text.
 */
import { Extension } from "@tiptap/core";
import { Plugin } from "@tiptap/pm/state";
import { faces } from "./barFaces.js";
import { element } from "./elements.js";
import { place } from "./placing.js";
import { PopMenu } from "./popMenu.js";

const SETTLE_MS = 90; // a selection that is still being dragged shows no toolbar

class Bar {
  #timer = 0;
  #face = null;
  #form = false;
  #pressed = false;

  constructor(editor, box) {
    this.editor = editor;
    this.box = box;
    this.dom = element("div", { class: "floating-bar", role: "toolbar", hidden: true });
    this.menu = new PopMenu(box);
    box.append(this.dom);
    this.dom.addEventListener("keydown", (event) => this.#onKey(event));
    this.dom.addEventListener("focusout", ({ relatedTarget }) => {
      if (!this.dom.contains(relatedTarget) && !editor.view.hasFocus()) this.hide();
    });
    this.onDown = () => {
      this.#pressed = true;
    };
    this.onUp = () => {
      this.#pressed = false;
      this.later();
    };
    editor.view.dom.addEventListener("mousedown", this.onDown);
    document.addEventListener("mouseup", this.onUp);
  }

  update() {
    const busy = this.dom.contains(document.activeElement);
    if (busy) return;
    this.later();
  }

  later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }

  /** Show the face that fits, or none. */
  refresh() {
    const { editor } = this;
    if (editor.isDestroyed || this.#pressed) return;
    const inBar = this.dom.contains(document.activeElement) || this.menu.isOpen;
    if (inBar && this.#form) return; // an address is being typed
    const here = editor.isEditable && (editor.view.hasFocus() || inBar);
    const face = here ? faces.find((one) => one.fits(editor)) : null;
    if (!face) return this.hide();
    if (face !== this.#face) this.show(face);
    face.update?.(this.dom, editor);
    place(this.dom, this.box, face.rect(editor), { above: true, align: face.align ?? "middle" });
  }

  show(face, part = "build") {
    this.#form = part !== "build";
    this.#face = this.#form ? null : face;
    this.dom.setAttribute("aria-label", face.label());
    this.dom.replaceChildren(...face[part](this.editor, this));
    this.dom.hidden = false;
    for (const [index, stop] of this.#stops().entries()) stop.tabIndex = index ? -1 : 0;
  }

  hide() {
    this.#face = null;
    this.dom.hidden = true;
  }

  /** Go into the toolbar by keyboard; false where none is shown. */
  enter() {
    clearTimeout(this.#timer);
    this.refresh();
    const [first] = this.#stops();
    first?.focus();
    return Boolean(first) && !this.dom.hidden;
  }

  #stops() {
    return [...this.dom.querySelectorAll("button, input, select, a[href]")];
  }

  #onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.hide();
      this.editor.commands.focus();
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target.matches("input")) return;
    const stops = this.#stops();
    const next = stops[(stops.indexOf(event.target) + step + stops.length) % stops.length];
    for (const stop of stops) stop.tabIndex = stop === next ? 0 : -1;
    next.focus();
    event.preventDefault();
  }

  destroy() {
    clearTimeout(this.#timer);
    this.editor.view.dom.removeEventListener("mousedown", this.onDown);
    document.removeEventListener("mouseup", this.onUp);
    this.menu.destroy();
    this.dom.remove();
  }
}

export const Bars = Extension.create({
  name: "bars",

  addOptions() {
    return { box: () => document.body };
  },

  addStorage() {
    return { bar: null };
  },

  addKeyboardShortcuts() {
    return {
      "Alt-F10": () => this.storage.bar.enter(),
      "Mod-k": () => {
        if (this.editor.state.selection.empty) return false; // the page's own: find or do
        const { bar } = this.storage;
        bar.show(
          faces.find((face) => face.id === "text"),
          "linkForm",
        );
        bar.dom.querySelector("input").focus();
        return true;
      },
    };
  },

  addProseMirrorPlugins() {
    return [
      new Plugin({
        view: () => {
          const bar = new Bar(this.editor, this.options.box());
          this.storage.bar = bar;
          return { update: () => bar.update(), destroy: () => bar.destroy() };
        },
        props: { handleDOMEvents: { blur: () => this.storage.bar?.later() } },
      }),
    ];
  },
});
