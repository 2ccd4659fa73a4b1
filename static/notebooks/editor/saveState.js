/**
 * What the top bar says about saving. "Saving" shows at once, "Saved" only when every change is acknowledged and has
 * stayed so for a moment: late good news is true, a flicker is noise. Screen readers hear only what matters.
 */
import { icon } from "./elements.js";
import { say } from "./words.js";

const SETTLE_MS = 600;
const ICONS = {
  saved: "cloud-check",
  saving: "refresh-cw",
  offline: "cloud-off",
  readonly: "eye",
  refused: "cloud-alert",
  opening: "cloud",
};

function time(at) {
  const date = at instanceof Date ? at : new Date(at ?? Date.now());
  return date.toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

function sentence({ kind, at, pending = 0 }) {
  if (kind === "saved") return say("state_saved", { time: time(at) });
  if (kind === "offline")
    return pending ? say("state_offline", { count: pending }) : say("state_offline_none");
  return say(`state_${kind}`);
}

export class SaveState {
  #timer = 0;
  #heard = "";

  constructor(dom) {
    this.dom = dom;
    this.words = dom.querySelector("[data-words]");
    this.aloud = dom.querySelector("[data-aloud]");
  }

  /** Show a state of the session. */
  show(state) {
    clearTimeout(this.#timer);
    const recovering = this.dom.dataset.kind === "saving" && state.kind === "saved";
    if (recovering) this.#timer = setTimeout(() => this.#draw(state), SETTLE_MS);
    else this.#draw(state);
  }

  #draw(state) {
    const text = sentence(state);
    this.dom.dataset.kind = state.kind;
    this.dom.querySelector(".icon")?.replaceWith(icon(ICONS[state.kind] ?? "cloud", "icon-sm"));
    this.words.textContent = text;
    this.dom.title = state.kind === "saved" ? say("state_saved_hint") : text;
    const calm = state.kind === "saved" || state.kind === "saving";
    const heard = calm ? "" : state.kind;
    if (heard !== this.#heard) this.aloud.textContent = text;
    this.#heard = heard;
  }
}
