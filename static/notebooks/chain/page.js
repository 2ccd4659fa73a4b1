/** What the chain adds around the text: Update and Stop, the drawn chain, and who wrote what. */
import { element, icon } from "../editor/elements.js";
import { say } from "../editor/words.js";

const ORIGINS = "notebook-origins";
const LONG_S = 100;

/** Return about how long it takes: seconds, or minutes where those would be many. */
function duration(seconds) {
  if (seconds < LONG_S) return say("chain_seconds", { seconds: Math.max(1, Math.round(seconds)) });
  return say("chain_minutes", { minutes: Math.round(seconds / 60) });
}

export class ChainPage {
  #stop = new AbortController();
  #drawn = "";
  #wrote = false;

  constructor({ store, url, root, editor, goTo }) {
    Object.assign(this, { store, url, root, editor, goTo });
    const { signal } = this.#stop;
    this.button = document.querySelector("[data-chain-update]");
    this.sheet = document.getElementById("chain-sheet");
    this.said = document.querySelector("[data-chain-said]");
    this.held = document.querySelector("[data-chain-held]");
    this.draws = [...document.querySelectorAll("[data-chain-draw]")];
    this.origins = [...document.querySelectorAll("[data-chain-origins]")];
    // The second click of a double click would meet Stop where Update was.
    this.button.addEventListener("click", ({ detail }) => detail > 1 || this.#press(), { signal });
    const press = (buttons, answer) => {
      for (const button of buttons) button.addEventListener("click", answer, { signal });
    };
    press(this.draws, () => this.#open());
    press(this.origins, () => this.#showOrigins(!this.#originsShown));
    this.sheet.addEventListener("click", (event) => this.#onSheet(event), { signal });
    store.addEventListener("change", () => this.draw(), { signal });
    this.draw();
  }

  destroy() {
    this.#stop.abort();
  }

  get #originsShown() {
    return this.root.classList.contains(ORIGINS);
  }

  #showOrigins(shown) {
    this.root.classList.toggle(ORIGINS, shown);
    this.editor.commands.showOrigins(shown);
    for (const button of this.origins) button.setAttribute("aria-pressed", String(shown));
  }

  /** Switched off: nothing that was open stays open. */
  #hide() {
    if (this.sheet.open) this.sheet.close();
    if (this.#originsShown) this.#showOrigins(false);
  }

  async #press() {
    const { store } = this;
    this.button.disabled = true;
    try {
      await (store.isWriting ? store.stop() : store.run());
    } finally {
      this.button.disabled = false;
      this.button.focus({ preventScroll: true });
    }
  }

  #open() {
    this.sheet.showModal();
    this.#drawGraph();
  }

  async #drawGraph() {
    const body = this.sheet.querySelector("[data-graph]");
    try {
      const answer = await fetch(`${this.url}graph/`);
      if (!answer.ok) return;
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      body.replaceChildren(...parsed.body.children);
    } catch {
      body.replaceChildren(element("p", {}, say("chain_graph_offline")));
    }
  }

  #onSheet(event) {
    const cell = event.target.closest("[data-cell]")?.dataset.cell;
    if (!cell) return;
    event.preventDefault();
    this.sheet.close();
    this.goTo(cell);
  }

  draw() {
    const { store } = this;
    const hasCells = store.cells.size > 0;
    const hasPrompts = [...store.cells.values()].some(({ kind }) => kind === "prompt");
    for (const button of this.draws) button.hidden = !(store.ai && hasCells);
    for (const button of this.origins) button.hidden = !(store.ai && hasPrompts);
    if (!store.ai) this.#hide();
    this.#drawButton(hasPrompts);
    this.#drawHeld();
    const drawn = JSON.stringify([...store.cells.values()].map(({ id, name, state }) => [id, name, state]));
    if (drawn !== this.#drawn && this.sheet.open) this.#drawGraph();
    this.#drawn = drawn;
  }

  #drawButton(hasPrompts) {
    const { store, button } = this;
    const { count, seconds, elsewhere } = store.update;
    const writing = store.isWriting;
    button.hidden = !(store.mayRun && hasPrompts && (writing || count));
    const words = writing ? this.#writingWords() : say("chain_update", { count });
    const shown = writing ? "square" : "sparkles";
    const takes = writing ? "" : duration(seconds);
    const told = JSON.stringify([words, shown, takes]);
    if (told !== button.dataset.told) {
      button.dataset.told = told;
      const more = element("small", { class: "update-takes", "aria-hidden": "true" }, takes);
      button.replaceChildren(icon(shown, "icon-sm"), element("span", {}, words), more);
    }
    const estimate = say("chain_estimate", { time: duration(seconds) });
    const more = elsewhere ? ` ${say("chain_elsewhere", { count: elsewhere })}` : "";
    button.title = writing ? store.heldBy || say("chain_stop_hint") : estimate + more;
    button.classList.toggle("btn-primary", !writing);
    this.#tell(writing);
  }

  /** Say above the text why a run waits although nobody is before it: a day's tokens are used up. */
  #drawHeld() {
    const { heldBy } = this.store;
    if (this.held.textContent.trim() === heldBy) return;
    this.held.replaceChildren();
    if (!heldBy) return;
    const template = document.querySelector('template[data-notice="held"]');
    const notice = template.content.firstElementChild.cloneNode(true);
    notice.querySelector("[data-held]").textContent = heldBy;
    this.held.append(notice);
  }

  /** Say to those who listen that writing began and ended, whoever pressed the button. */
  #tell(writing) {
    if (writing === this.#wrote) return;
    if (this.store.known) this.said.textContent = say(writing ? "chain_began" : "chain_ended");
    this.#wrote = writing;
  }

  #writingWords() {
    const { store } = this;
    if (store.isStopping) return say("chain_stopping");
    if (store.position) return say("chain_in_line", { position: store.position });
    return say("chain_stop");
  }
}
