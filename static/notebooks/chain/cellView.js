/**
 * How a cell is drawn: its name and state above, its text in the middle (the editor's own), and below it whatever a
 * model is writing or has left beside the text. Only the middle is document; the rest follows the store.
 */
import { element, iconButton } from "../editor/elements.js";
import { place } from "../editor/placing.js";
import { entry } from "../editor/popMenu.js";
import { say } from "../editor/words.js";
import { asName, settingsForm } from "./fields.js";
import { Arriving, failure, fan, problems, proposal } from "./results.js";
import { settingsOf, withSetting } from "./settings.js";
import { WordingLine } from "./wording.js";

const OPEN = new Set(["queued", "running", "streaming", "succeeded"]); // the last one is on its way into the text
const TOLD = new Set(["none", "stale", "next", "writing", "failed", "broken"]); // states that the head says in words

/** Set what differs: everything that is touched in a big document costs, also when it stays the same. */
function put(target, name, value) {
  if (target[name] !== value) target[name] = value;
}

/** Whether any letter stands in a node; the text itself would be long to put together. */
function hasText(node) {
  return Boolean(node) && (node.isText || node.content.content.some(hasText));
}

export class CellView {
  #onChange = ({ detail }) => (detail?.has(this.id) ?? true) && this.draw();
  #drawn = "";
  #arriving = null;

  constructor({ node, view, editor, getPos, store, menu }) {
    Object.assign(this, { node, view, editor, getPos, store, menu });
    this.isPrompt = node.type.name === "promptCell";
    this.contentDOM = element("div", { class: "cell-body" });
    this.dot = element("span", { class: "cell-dot", role: "img" });
    this.name = this.#nameField();
    this.words = element("span", { class: "cell-state" });
    this.tools = element("span", { class: "cell-tools" });
    this.head = element("header", { class: "cell-head", contenteditable: "false" }, this.dot, this.name);
    this.head.append(this.words, this.tools);
    this.foot = element("footer", { class: "cell-foot", contenteditable: "false" });
    this.dom = element("section", { class: `cell ${this.isPrompt ? "cell-prompt" : "cell-text"}` });
    const line = element("div", { class: "cell-wording", contenteditable: "false", hidden: true });
    this.wording = new WordingLine(line);
    this.dom.append(this.head, this.contentDOM, line, this.foot);
    for (const part of [this.tools, this.foot])
      part.addEventListener("keydown", ({ key }) => key === "Escape" && this.view.focus());
    this.#makeTools();
    this.#attributes();
    store.addEventListener("change", this.#onChange);
    store.addEventListener("words", this.#onChange);
    this.draw();
  }

  get id() {
    return this.node.attrs.cellId;
  }

  update(node) {
    if (node.type !== this.node.type) return false;
    this.node = node;
    this.#attributes();
    this.draw();
    return true;
  }

  destroy() {
    this.store.removeEventListener("change", this.#onChange);
    this.store.removeEventListener("words", this.#onChange);
  }

  ignoreMutation(mutation) {
    return mutation.type !== "selection" && !this.contentDOM.contains(mutation.target);
  }

  stopEvent(event) {
    const around = [this.head, this.wording.dom, this.foot];
    return event.target instanceof Node && around.some((part) => part.contains(event.target));
  }

  #attributes() {
    this.dom.id = `cell-${this.id}`;
    this.dom.setAttribute("aria-label", this.node.attrs.name);
    if (document.activeElement !== this.name) this.name.value = this.node.attrs.name;
  }

  #nameField() {
    const commit = () => {
      const name = asName(this.name.value || this.node.attrs.name);
      this.name.value = name;
      if (name !== this.node.attrs.name) this.#set({ name });
    };
    const onKey = (event) => {
      if (event.key === "Escape") this.name.value = this.node.attrs.name;
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      this.name.blur();
      this.editor.commands.focus(this.getPos() + 2);
    };
    return element("input", {
      class: "cell-name",
      "aria-label": say("chain_name"),
      maxlength: 41,
      size: 12,
      spellcheck: "false",
      autocomplete: "off",
      on: { change: commit, keydown: onKey },
    });
  }

  #set(attributes) {
    const { state } = this.view;
    const pos = this.getPos();
    if (pos === undefined || !this.editor.isEditable) return;
    this.view.dispatch(state.tr.setNodeMarkup(pos, undefined, { ...this.node.attrs, ...attributes }));
  }

  #makeTools() {
    const run = () => this.store.run([this.id]);
    this.runButton = iconButton("play", say("chain_run_cell"), run, { hidden: true });
    this.moreButton = iconButton("settings-2", say("chain_more"), () => this.#openMenu(), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    const back = () => this.store.back(this.id);
    this.backButton = iconButton("undo-2", say("chain_back"), back, { hidden: true });
    if (this.isPrompt) this.tools.append(this.backButton, this.runButton);
    this.tools.append(this.moreButton);
  }

  #openMenu() {
    const cell = this.store.cell(this.id);
    const entries = [];
    if (this.store.mayEdit && this.store.ai) {
      const words = cell?.release
        ? say(cell.release_is_current ? "chain_release_current" : "chain_release_again", {
            number: cell.release,
          })
        : say("chain_release");
      const disabled = Boolean(cell?.release_is_current);
      entries.push(entry("send", words, () => this.store.release(this.id), { disabled }));
    }
    entries.push(entry("trash-2", say("chain_remove"), () => this.#remove(), { more: "menu-item-danger" }));
    const menu = this.menu();
    const back = (chosen) => !chosen && this.moreButton.focus();
    menu.dom.setAttribute("role", "menu");
    menu.open(this.moreButton, this.node.attrs.name, entries, back);
    if (this.isPrompt && this.store.ai) this.#addForm(menu);
  }

  /** Put the settings above the entries: fields by Tab, entries by arrow keys as in every menu. */
  #addForm(menu) {
    const form = settingsForm(settingsOf(this.node.attrs), (name, value) =>
      this.#set(withSetting(this.node.attrs, name, value)),
    );
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter") menu.close();
      else if (event.key !== "Escape") event.stopPropagation();
    });
    const list = element("div", { role: "menu", "aria-label": say("chain_more") }, ...menu.dom.children);
    menu.dom.setAttribute("role", "dialog");
    menu.dom.replaceChildren(form, list);
    place(menu.dom, menu.box, this.moreButton.getBoundingClientRect(), { align: "end" });
    form.querySelector("select").focus({ preventScroll: true });
  }

  #remove() {
    const from = this.getPos();
    if (from === undefined) return;
    this.view.dispatch(this.view.state.tr.delete(from, from + this.node.nodeSize));
    this.view.focus();
  }

  /** Show the store's picture of this cell; only what differs is touched, so that nothing jumps. */
  draw() {
    const cell = this.store.cell(this.id);
    const writing = this.isPrompt && this.store.ai ? this.store.writing(this.id) : null;
    const state = this.#stateName(cell, writing);
    const editable = this.editor.isEditable;
    put(this.name, "readOnly", !editable);
    put(this.moreButton, "hidden", !editable);
    const mayRun = this.store.mayRun && cell?.state !== "broken" && !OPEN.has(writing?.status);
    put(this.runButton, "hidden", !mayRun);
    put(this.backButton, "hidden", !(this.store.ai && this.store.mayEdit && cell?.can_go_back));
    put(this.dom.dataset, "state", state);
    put(this.dot, "ariaLabel", say(`chain_state_${state}`));
    put(this.dot, "title", say(`chain_state_${state}`));
    put(this.words, "textContent", this.#headWords(cell, state));
    const isQuiet = !this.isPrompt || !this.store.ai || OPEN.has(writing?.status);
    this.wording.show(this.node, isQuiet);
    this.#drawFoot(cell, writing);
  }

  #stateName(cell, writing) {
    if (!this.isPrompt || !this.store.ai) return "text";
    if (writing && OPEN.has(writing.status)) return writing.texts.some(Boolean) ? "writing" : "next";
    if (writing?.status === "failed") return "failed";
    return cell?.state ?? "none";
  }

  #headWords(cell, state) {
    const shown = cell && cell.name !== this.node.attrs.name ? `{{${cell.name}}}` : "";
    const released = cell?.release ? say("chain_released_short", { number: cell.release }) : "";
    const words = TOLD.has(state) ? say(`chain_state_${state}`) : "";
    const count = this.store.ai && state !== "writing" ? cell?.waiting?.length : 0;
    const waits = count ? say("chain_waits", { count }) : "";
    return [shown, words, waits, released].filter(Boolean).join(" · ");
  }

  #drawFoot(cell, writing) {
    const waiting = this.store.ai ? (cell?.waiting ?? []) : [];
    const isEmpty = !hasText(this.node.lastChild);
    const isOpen = writing && OPEN.has(writing.status) && (isEmpty || writing.texts.some(Boolean));
    const open = isOpen ? writing : null; // until the first word comes, the text that stands is all there is
    const rights = [this.store.mayEdit, this.store.mayRun];
    const drawn = JSON.stringify([cell?.problems, writing, waiting, isEmpty, rights]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const writesOver = this.#writesOver(open, cell);
    const parts = [];
    if (cell?.problems?.length) parts.push(problems(cell.problems));
    if (writing?.status === "failed") parts.push(failure(writing.error, this.#does()));
    parts.push(...this.#news(open, waiting, !isEmpty && !writesOver));
    const hasNew = open || waiting.length;
    this.#hideText(Boolean(hasNew && (isEmpty || writesOver)), Boolean(writesOver));
    const isThere = parts.length === this.foot.childElementCount && parts.every((part) => part.isConnected);
    if (!isThere) this.foot.replaceChildren(...parts);
  }

  /** Return what arrives, or else what waits. */
  #news(open, waiting, beside) {
    if (open && !this.#arriving?.isFor(open, beside)) this.#arriving = new Arriving(open, beside);
    if (open) return [this.#arriving.show(open.texts)];
    this.#arriving = null;
    if (waiting.length > 1) return [fan(waiting, this.#does())];
    return waiting.length ? [proposal(waiting[0], this.#does())] : [];
  }

  /** Hide the text under what comes in its place; the words that arrive have its room, so that nothing jumps. */
  #hideText(hidden, keepRoom) {
    const { classList, style } = this.dom;
    if (hidden === classList.contains("cell-writes-over")) return;
    const room = hidden && keepRoom ? this.contentDOM.lastElementChild?.offsetHeight : 0;
    if (room) style.setProperty("--cell-room", `${room}px`);
    else style.removeProperty("--cell-room");
    classList.toggle("cell-writes-over", hidden);
  }

  /** Whether what is being written will stand in place of the text: nobody has touched that. */
  #writesOver(open, cell) {
    return open && open.texts.length === 1 && open.texts[0] && (cell?.untouched ?? true);
  }

  #does() {
    const { store } = this;
    return {
      mayEdit: store.mayEdit,
      mayRun: store.mayRun,
      isEmpty: !hasText(this.node.lastChild),
      adopt: (output) => this.#goOn(store.adopt(output)),
      dismiss: (output) => this.#goOn(store.dismiss(output)),
      again: () => this.#goOn(store.run([this.id])),
    };
  }

  /** What was pressed goes away: put who pressed it into the text, where they go on. */
  async #goOn(done) {
    const pressed = this.foot.contains(document.activeElement);
    await done;
    const pos = this.getPos();
    if (!pressed || pos === undefined || !this.editor.isEditable) return;
    const result = pos + 1 + this.node.firstChild.nodeSize;
    this.editor
      .chain()
      .setTextSelection(result + 2)
      .run();
    this.view.focus();
  }
}
