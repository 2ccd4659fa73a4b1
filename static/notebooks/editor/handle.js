/**
 * The handle in the gutter: "+" inserts below, the grip drags its block and opens the block's menu. It follows the
 * pointer; by keyboard the same is done with Alt-Up, Alt-Down and `/`.
 */
import { Extension } from "@tiptap/core";
import { NodeSelection, Plugin } from "@tiptap/pm/state";
import { blockAt, selectionOfBlock } from "./blocks.js";
import { element, icon, iconButton } from "./elements.js";
import { turnable } from "./kinds.js";
import { entry, PopMenu } from "./popMenu.js";
import { say } from "./words.js";

class Handle {
  #pos = null;
  #frame = 0;

  constructor(editor, box) {
    this.editor = editor;
    this.box = box;
    this.add = iconButton("plus", say("insert_below"), () => this.#insert(), { tabindex: "-1" });
    const named = { "aria-label": say("block_menu"), title: say("block_menu"), "aria-haspopup": "menu" };
    const shown = { type: "button", class: "icon-button", tabindex: "-1", draggable: "true", ...named };
    this.grip = element(
      "button",
      { ...shown, on: { click: () => this.#toggleMenu() } },
      icon("grip-vertical"),
    );
    this.menu = new PopMenu(box);
    this.dom = element("div", { class: "block-handle", hidden: true }, this.add, this.grip);
    box.append(this.dom);
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
  }

  #follow({ clientX, clientY }) {
    if (this.#frame || this.menu.isOpen || !this.editor.isEditable) return;
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
    if (this.menu.isOpen || this.dom.dataset.dragging) return;
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
    this.menu.close();
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
    if (this.menu.isOpen) return this.menu.close();
    if (!this.#select()) return;
    this.menu.open(this.grip, say("block_menu"), this.#entries(), (chosen) => {
      if (!chosen) this.editor.commands.focus();
      this.hide();
    });
  }

  #entries() {
    const act = (shown, id, command, more) =>
      entry(shown, say(id), () => this.editor.chain().focus()[command]().run(), { more });
    const kinds = turnable().map((kind) =>
      entry(kind.icon, kind.label, () => kind.run(this.#inText(this.editor.chain().focus())).run()),
    );
    return [
      act("arrow-up", "move_up", "moveBlockUp"),
      act("arrow-down", "move_down", "moveBlockDown"),
      act("copy-plus", "duplicate", "duplicateBlock"),
      act("trash-2", "delete_block", "deleteBlock", "menu-danger"),
      null,
      say("turn_into"),
      ...kinds,
    ];
  }

  /** Turning works on text: step from the block into it. */
  #inText(chain) {
    const { selection } = this.editor.state;
    return selection instanceof NodeSelection ? chain.setTextSelection(selection.from + 1) : chain;
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    this.stop.abort();
    this.dom.remove();
    this.menu.destroy();
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
