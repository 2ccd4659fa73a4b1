/** A reference as a chip: the source's name, what is wrong with it at its place, and its text on hovering. */
import { element } from "../editor/elements.js";
import { place } from "../editor/placing.js";
import { say } from "../editor/words.js";

const HOVER_MS = 250;

export class ChipView {
  #onChange = ({ detail }) => detail === null && this.draw(); // names and problems come for all at once
  #timer = 0;

  constructor({ node, store, card, notebookId }) {
    Object.assign(this, { node, store, card, notebookId });
    this.dom = element("span", {
      class: "cell-reference",
      contenteditable: "false",
      role: "note",
    });
    this.dom.addEventListener("mouseenter", () => this.#show());
    this.dom.addEventListener("mouseleave", () => this.#hide());
    store.addEventListener("change", this.#onChange);
    this.draw();
  }

  update(node) {
    if (node.type !== this.node.type) return false;
    this.node = node;
    this.draw();
    return true;
  }

  destroy() {
    clearTimeout(this.#timer);
    this.store.removeEventListener("change", this.#onChange);
    this.card().hide();
  }

  /** Reached by an arrow key, a click or a finger. */
  selectNode() {
    this.dom.classList.add("ProseMirror-selectednode");
    this.#show();
  }

  deselectNode() {
    this.dom.classList.remove("ProseMirror-selectednode");
    this.#hide();
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.card().show(this.dom, this.node.attrs), HOVER_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.card().hide();
  }

  ignoreMutation() {
    return true;
  }

  draw() {
    const { cellId, notebookId, label, mode } = this.node.attrs;
    const key = `${notebookId ?? this.notebookId}:${cellId}`;
    const own = notebookId && notebookId !== this.notebookId ? null : this.store.cell(cellId);
    const problem = this.store.problemOf(key);
    const words = (own?.name ?? this.store.sources.get(key) ?? label) || "?";
    if (this.dom.textContent !== words) this.dom.textContent = words;
    this.dom.dataset.mode = mode;
    this.dom.toggleAttribute("data-elsewhere", Boolean(notebookId) && notebookId !== this.notebookId);
    this.dom.toggleAttribute("data-problem", Boolean(problem));
    this.dom.setAttribute(
      "aria-label",
      problem ? `${words}: ${problem}` : say("chain_reads", { name: words }),
    );
  }
}

/** The card that shows what a chip stands for, as this person may see it. */
export class SourceCard {
  #asked = 0;

  constructor({ box, url }) {
    Object.assign(this, { box, url });
    this.dom = element("div", { class: "source-card", role: "tooltip", hidden: true });
    box.append(this.dom);
  }

  async show(anchor, { cellId, notebookId, mode }) {
    this.#asked += 1;
    const asked = this.#asked;
    const query = new URLSearchParams({ cell: cellId, notebook: notebookId ?? "", mode });
    try {
      const answer = await fetch(`${this.url}source/?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok || asked !== this.#asked || !anchor.isConnected) return;
      this.#fill(await answer.json());
    } catch {
      return; // offline: the chip itself says what is known
    }
    this.dom.hidden = false;
    place(this.dom, this.box, anchor.getBoundingClientRect());
  }

  #fill({ label, text, words }) {
    const title = label ? [element("strong", {}, label)] : [];
    const body = words ?? (text.trim() || say("chain_source_empty"));
    this.dom.replaceChildren(...title, element("p", { class: words ? "source-problem" : "" }, body));
  }

  hide() {
    this.#asked += 1;
    this.dom.hidden = true;
  }

  destroy() {
    this.hide();
    this.dom.remove();
  }
}
