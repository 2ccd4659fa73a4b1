/**
 * The handle in the gutter: "+" inserts below, the grip drags its block and opens the block's menu. It follows the
 * pointer; by keyboard the same is done with Alt-Up, Alt-Down and `/`.
 */
import { Extension } from "@tiptap/core";
import { NodeSelection, Plugin } from "@tiptap/pm/state";
import { blockAt, selectionOfBlock } from "./blocks.js";
import { element, icon, iconButton } from "./elements.js";
import { turnable } from "./kinds.js";
import { place } from "./placing.js";
import { say } from "./words.js";

class Handle {
  #pos = null;
  #frame = 0;

  constructor(editor, box) {
    this.editor = editor;
    this.box = box;
    const outOfTabs = { tabindex: "-1" };
    this.add = iconButton("plus", say("insert_below"), () => this.#insert(), outOfTabs);
    this.grip = iconButton("grip-vertical", say("block_menu"), () => this.#toggleMenu(), {
      ...outOfTabs,
      draggable: "true",
      "aria-haspopup": "menu",
    });
    this.grip.addEventListener("mousedown", (event) => event.stopPropagation());
    this.menu = element("div", {
      class: "block-menu",
      role: "menu",
      "aria-label": say("block_menu"),
      hidden: true,
    });
    this.dom = element("div", { class: "block-handle", hidden: true }, this.add, this.grip);
    box.append(this.dom, this.menu);
    this.#listen();
  }

  #listen() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    // The gutter belongs to the page, not to the editable text: listen on what holds both.
    const area = this.box.closest("[data-handle-area]") ?? this.box;
    area.addEventListener("mousemove", (event) => this.#follow(event), { signal });
    area.addEventListener("mouseleave", () => this.hide(), { signal });
    this.grip.addEventListener("dragstart", (event) => this.#drag(event), { signal });
    this.grip.addEventListener("dragend", () => this.#dropped(), { signal });
    document.addEventListener("mousedown", (event) => this.#outside(event), { signal });
    this.menu.addEventListener("keydown", (event) => this.#onKey(event), { signal });
  }

  #follow({ clientX, clientY }) {
    if (this.#frame || !this.menu.hidden || !this.editor.isEditable) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.editor.isDestroyed || this.dom.contains(document.elementFromPoint(clientX, clientY))) return;
      const pos = blockAt(this.editor.view, clientX, clientY);
      if (pos === null) this.hide();
      else this.#show(pos);
    });
  }

  #show(pos) {
    const block = this.editor.view.nodeDOM(pos);
    if (!(block instanceof HTMLElement)) return this.hide();
    this.#pos = pos;
    this.dom.hidden = false;
    const line = Number.parseFloat(getComputedStyle(block).lineHeight) || block.clientHeight;
    const top = block.getBoundingClientRect().top - this.box.getBoundingClientRect().top;
    this.dom.style.top = `${Math.round(top + (line - this.dom.offsetHeight) / 2)}px`;
  }

  hide() {
    if (!this.menu.hidden || this.dom.dataset.dragging) return;
    this.dom.hidden = true;
    this.#pos = null;
  }

  #select() {
    const { state, view } = this.editor;
    const selection = this.#pos === null ? null : selectionOfBlock(state.doc, this.#pos);
    if (!selection) return false;
    view.dispatch(state.tr.setSelection(selection));
    return true;
  }

  /** Open the slash menu in the empty line below; the block's own line where it is empty. */
  #insert() {
    const { state } = this.editor;
    const node = this.#pos === null ? null : state.doc.nodeAt(this.#pos);
    if (!node) return;
    const item = node.type.name === "listItem" || node.type.name === "taskItem";
    const isEmpty = node.type.name === "paragraph" && !node.content.size;
    const $pos = state.doc.resolve(this.#pos);
    const end = item ? $pos.after(1) : this.#pos + node.nodeSize;
    const chain = this.editor.chain();
    if (!isEmpty) chain.insertContentAt(end, { type: "paragraph" });
    chain.setTextSelection(isEmpty ? this.#pos + 1 : end + 1).focus();
    chain.insertContent("/").run();
    this.hide();
  }

  #drag(event) {
    const { view, state } = this.editor;
    const node = this.#pos === null ? null : state.doc.nodeAt(this.#pos);
    if (!node) return event.preventDefault();
    this.#closeMenu();
    const selection = NodeSelection.create(state.doc, this.#pos);
    view.dispatch(state.tr.setSelection(selection));
    const { dom, text, slice } = view.serializeForClipboard(selection.content());
    event.dataTransfer.clearData();
    event.dataTransfer.setData("text/html", dom.innerHTML);
    event.dataTransfer.setData("text/plain", text);
    event.dataTransfer.effectAllowed = "copyMove";
    const shown = view.nodeDOM(this.#pos);
    if (shown instanceof HTMLElement) event.dataTransfer.setDragImage(shown, 0, 0);
    view.dragging = { slice, move: true, node: selection };
    this.dom.dataset.dragging = "true";
    return undefined;
  }

  #dropped() {
    delete this.dom.dataset.dragging;
    this.editor.view.dragging = null;
    this.hide();
  }

  #toggleMenu() {
    if (!this.menu.hidden) return this.#closeMenu();
    if (!this.#select()) return;
    this.menu.replaceChildren(...this.#entries());
    this.menu.hidden = false;
    this.grip.setAttribute("aria-expanded", "true");
    place(this.menu, this.box, this.grip.getBoundingClientRect());
    this.menu.querySelector("button").focus();
  }

  #entries() {
    const entry = (shown, label, run, more = "") =>
      element(
        "button",
        { type: "button", class: `menu-item ${more}`, role: "menuitem", on: { click: () => this.#do(run) } },
        icon(shown),
        element("span", { class: "grow" }, label),
      );
    const kinds = turnable().map((kind) =>
      entry(kind.icon, kind.label, (chain) => kind.run(this.#inText(chain))),
    );
    const line = () => element("hr", { class: "menu-line" });
    return [
      entry("arrow-up", say("move_up"), (chain) => chain.moveBlockUp()),
      entry("arrow-down", say("move_down"), (chain) => chain.moveBlockDown()),
      entry("copy-plus", say("duplicate"), (chain) => chain.duplicateBlock()),
      entry("trash-2", say("delete_block"), (chain) => chain.deleteBlock(), "menu-danger"),
      line(),
      element("p", { class: "menu-title" }, say("turn_into")),
      ...kinds,
    ];
  }

  /** Turning works on text: step from the block into it. */
  #inText(chain) {
    const { selection } = this.editor.state;
    return selection instanceof NodeSelection ? chain.setTextSelection(selection.from + 1) : chain;
  }

  #do(run) {
    this.#closeMenu();
    run(this.editor.chain().focus()).run();
    this.hide();
  }

  #closeMenu() {
    this.menu.hidden = true;
    this.grip.setAttribute("aria-expanded", "false");
  }

  #outside({ target }) {
    if (this.menu.hidden || this.menu.contains(target) || this.dom.contains(target)) return;
    this.#closeMenu();
    this.hide();
  }

  #onKey(event) {
    const entries = [...this.menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step)
      entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") {
      this.#closeMenu();
      this.editor.commands.focus();
    } else return;
    event.preventDefault();
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    this.stop.abort();
    this.dom.remove();
    this.menu.remove();
  }
}

export const BlockHandle = Extension.create({
  name: "blockHandle",

  addOptions() {
    return { box: () => document.body };
  },

  addProseMirrorPlugins() {
    return [
      new Plugin({
        view: () => {
          const handle = new Handle(this.editor, this.options.box());
          return {
            update: (view, before) => {
              if (view.state.doc !== before.doc) handle.hide();
            },
            destroy: () => handle.destroy(),
          };
        },
      }),
    ];
  },
});
