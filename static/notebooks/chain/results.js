/** What stands under a cell's text while and after a model writes: words arriving, variants, a proposal, a failure. */
import { element, icon } from "../editor/elements.js";
import { say } from "../editor/words.js";

const KEPT_SHARE = 0.3; // of a new version: with less in common a word diff is two texts shuffled

function button(shown, words, press, more = "") {
  const on = { click: press };
  return element(
    "button",
    { type: "button", class: `btn btn-xs ${more}`, on },
    icon(shown, "icon-sm"),
    words,
  );
}

function note(words) {
  return element("p", { class: "cell-note" }, icon("sparkles", "icon-sm"), words);
}

function paragraphs(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return lines.map((line) => element("p", {}, line));
}

/** A text that grows, looking as it will when it stands in the document. Only what is new is touched. */
class Growing {
  #lines = [];
  #pulse = element("span", { class: "cell-pulse", "aria-hidden": "true" });
  #waits = element("p", { class: "cell-waits" }, say("chain_begins"));

  constructor(shown, ...title) {
    this.dom = element("div", { class: shown }, ...title, this.#waits);
  }

  show(text) {
    const lines = text.split("\n").filter((line) => line.trim());
    this.#waits.hidden = lines.length > 0;
    while (this.#lines.length > lines.length) this.#lines.pop().parentElement.remove();
    for (const [at, line] of lines.entries()) {
      if (at === this.#lines.length) this.#add();
      if (this.#lines[at].textContent !== line) this.#lines[at].textContent = line;
    }
    const last = this.#lines.at(-1)?.parentElement;
    if (last && this.#pulse.parentElement !== last) last.append(this.#pulse);
  }

  #add() {
    const words = element("span", { class: "output" });
    this.#lines.push(words);
    this.dom.append(element("p", {}, words));
  }
}

/** The words that are arriving, one block for each variant; `beside` a text that stays. */
export class Arriving {
  constructor({ step, texts }, beside) {
    Object.assign(this, { step, beside, count: texts.length });
    const many = this.count > 1;
    const title = (index) => (many ? [element("h4", {}, say("chain_variant", { number: index + 1 }))] : []);
    this.blocks = texts.map((_, index) => new Growing(many ? "cell-card" : "cell-arriving", ...title(index)));
    const shown = { class: many ? "cell-fan" : "cell-overlay", "aria-live": "off", "data-count": this.count };
    const words = element("div", shown, ...this.blocks.map(({ dom }) => dom));
    const alone = many || !beside;
    this.dom = alone
      ? words
      : element("div", { class: "cell-proposal" }, note(say("chain_proposal_arrives")), words);
  }

  isFor({ step, texts }, beside) {
    return this.step === step && this.count === texts.length && this.beside === beside;
  }

  show(texts) {
    for (const [index, text] of texts.entries()) this.blocks[index].show(text);
    return this.dom;
  }
}

/** Return the variants side by side: arrow keys go along, Enter adopts. */
export function fan(waiting, { mayEdit, isEmpty, adopt, dismiss }) {
  const cards = waiting.map(({ output, variant, text }) =>
    element(
      "div",
      {
        class: "cell-card",
        role: "group",
        tabindex: variant === waiting[0].variant ? 0 : -1,
        "aria-label": `${say("chain_variant", { number: variant + 1 })}: ${text}`,
        on: { dblclick: () => mayEdit && adopt(output) },
        "data-output": output,
      },
      element("h4", {}, say("chain_variant", { number: variant + 1 })),
      ...paragraphs(text),
      ...(mayEdit ? [button("check", say("chain_use"), () => adopt(output), "btn-quiet")] : []),
    ),
  );
  const onKey = (event) => {
    const at = cards.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (at < 0 || !(step || event.key === "Enter")) return;
    event.preventDefault();
    if (step) cards[(at + step + cards.length) % cards.length].focus();
    else if (mayEdit) adopt(cards[at].dataset.output);
  };
  const list = element(
    "div",
    {
      class: "cell-fan",
      role: "group",
      "aria-label": say("chain_choose"),
      "data-count": cards.length,
      on: { keydown: onKey },
    },
    ...cards,
  );
  const away = () => Promise.all(waiting.map(({ output }) => dismiss(output)));
  const none = say(isEmpty ? "chain_none_of_them" : "chain_keep_text");
  const foot = mayEdit ? [button("x", none, away, "btn-quiet")] : [];
  const keys = element("span", { class: "cell-keys" }, ` · ${say("chain_choose_keys")}`);
  const title = element("p", {}, say("chain_choose"), keys);
  return element("div", { class: "cell-choice" }, title, list, ...foot);
}

/** Whether so little stays that the two texts read better one after the other. */
function isAnew(changes) {
  const size = (wanted) => changes.reduce((sum, [kind, piece]) => sum + (wanted(kind) ? piece.length : 0), 0);
  return size((kind) => kind === "same") < KEPT_SHARE * size((kind) => kind !== "gone");
}

/** Return a proposal beside the text that people wrote: what would go, what would come. */
export function proposal({ output, changes, text }, { mayEdit, adopt, dismiss }) {
  const tags = { same: "span", gone: "del", new: "ins" };
  const words = changes.length
    ? changes.map(([kind, piece]) => element(tags[kind], {}, piece))
    : paragraphs(text);
  const buttons = [
    button("check", say("chain_use"), () => adopt(output), "btn-primary"),
    button("x", say("chain_keep_text"), () => dismiss(output), "btn-quiet"),
  ];
  return element(
    "div",
    { class: "cell-proposal", role: "group", "aria-label": say("chain_proposal") },
    note(say("chain_proposal")),
    element("div", { class: "cell-diff", "data-anew": isAnew(changes) }, ...words),
    ...(mayEdit ? [element("div", { class: "cell-buttons" }, ...buttons)] : []),
  );
}

/** Return why nothing was written, with a way on. */
export function failure(reason, { mayRun, again }) {
  const retry = mayRun ? [button("refresh-cw", say("chain_again"), again, "btn-quiet")] : [];
  return element(
    "div",
    { class: "cell-failure", role: "alert" },
    icon("circle-alert", "icon-sm"),
    element("p", {}, reason),
    ...retry,
  );
}

export function problems(list) {
  const rows = list.map(({ words }) => element("li", {}, icon("triangle-alert", "icon-sm"), words));
  return element("ul", { class: "cell-problems" }, ...rows);
}
