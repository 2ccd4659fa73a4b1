/**
 * Thumbs at results: good, or not good and why. They stand in the head of a prompt cell in which something of a model was
 * adopted; each person sees their own. The answer is kept by the server (apps/learning); what it knows comes with the
 * chain's state as `verdict` of a cell: {output, kind, reasons}.
 */
import { element, iconButton } from "../editor/elements.js";
import { entry, PopMenu } from "../editor/popMenu.js";
import { isUnreached, postForm, Refused } from "../editor/requests.js";
import { say } from "../editor/words.js";

const UP = "thumbs_up";
const DOWN = "thumbs_down";
const REASONS = ["facts", "voice", "length", "off_brief", "repetitive", "other"];

/** The two buttons of one cell. */
class Verdict {
  constructor({ judge, menu }) {
    Object.assign(this, { judge, menu });
    this.up = iconButton("thumbs-up", say("verdict_up"), () => this.#pressUp());
    this.down = iconButton("thumbs-down", say("verdict_down"), () => this.#pressDown(), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    this.dom = element("span", { class: "cell-verdict" }, this.up, this.down);
  }

  show(known) {
    this.known = known;
    this.dom.hidden = !known;
    if (!known) return;
    this.#press(this.up, known.kind === UP, "up");
    this.#press(this.down, known.kind === DOWN, "down");
    this.dom.toggleAttribute("data-given", Boolean(known.kind));
  }

  #press(button, pressed, name) {
    const words = say(pressed ? `verdict_${name}_given` : `verdict_${name}`);
    button.setAttribute("aria-pressed", String(pressed));
    button.setAttribute("aria-label", words);
    button.title = words;
  }

  #pressUp() {
    this.judge(this.known.kind === UP ? "" : UP);
  }

  #pressDown() {
    if (this.known.kind !== DOWN) this.judge(DOWN);
    this.#openReasons();
  }

  #openReasons() {
    const { reasons } = this.known;
    const toggled = (one) =>
      reasons.includes(one) ? reasons.filter((other) => other !== one) : [...reasons, one];
    const entries = REASONS.map((one) => {
      const choose = () => this.judge(DOWN, toggled(one));
      return entry(reasons.includes(one) ? "square-check" : "square", say(`verdict_${one}`), choose);
    });
    const back = entry("undo-2", say("verdict_back"), () => this.judge(""));
    const menu = this.menu();
    menu.dom.setAttribute("role", "menu");
    const closed = () => this.down.focus({ preventScroll: true });
    menu.open(this.down, say("verdict_why"), [say("verdict_why"), ...entries, null, back], closed);
    const items = [...menu.dom.querySelectorAll("[role=menuitem]")];
    for (const [index, one] of REASONS.entries()) {
      items[index].setAttribute("role", "menuitemcheckbox");
      items[index].setAttribute("aria-checked", String(reasons.includes(one)));
    }
  }
}

export class Verdicts {
  #stop = new AbortController();
  #shown = new Map(); // the cell's element -> Verdict

  constructor({ store, url, root, box, note }) {
    Object.assign(this, { store, url, root, note });
    this.pop = new PopMenu(box);
    const { signal } = this.#stop;
    store.addEventListener("change", () => this.draw(), { signal });
    this.draw();
  }

  destroy() {
    this.#stop.abort();
    this.pop.destroy();
  }

  /** Show each cell's verdict where it has one to show; cells come, go and are drawn anew. */
  draw() {
    for (const dom of this.#shown.keys()) if (!dom.isConnected) this.#shown.delete(dom);
    if (!this.store.known) return;
    for (const dom of this.root.querySelectorAll(".cell-prompt")) {
      const known = this.store.ai && this.store.cell(dom.id.slice("cell-".length))?.verdict;
      if (known || this.#shown.has(dom)) this.#of(dom).show(known || null);
    }
  }

  #of(dom) {
    const here = this.#shown.get(dom);
    if (here) return here;
    const id = dom.id.slice("cell-".length);
    const judge = (kind, reasons = []) => this.#judge(id, { kind, reasons });
    const made = new Verdict({ judge, menu: () => this.pop });
    this.#shown.set(dom, made);
    dom.querySelector(".cell-tools").before(made.dom);
    return made;
  }

  /** Show the verdict at once, and what the server kept once it says so; what it refused stands as before. */
  async #judge(id, { kind, reasons }) {
    const { output, ...before } = this.store.cell(id).verdict;
    this.#put(id, output, { kind, reasons });
    try {
      const fields = [["kind", kind], ...reasons.map((one) => ["reasons", one])];
      this.#put(id, output, await postForm(`${this.url}outputs/${output}/thumb/`, fields));
    } catch (error) {
      if (!isUnreached(error) && !(error instanceof Refused)) throw error;
      this.#put(id, output, before);
      this.note((error instanceof Refused && error.message) || say("chain_refused"), "error");
    }
  }

  #put(id, output, verdict) {
    const known = this.store.cell(id)?.verdict;
    if (known?.output !== output) return; // another text stands there by now
    Object.assign(known, verdict);
    this.draw();
  }
}
