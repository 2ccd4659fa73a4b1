/**
 * The carets and chosen words of the others. Their colour is a class (.hue-0 … .hue-7), their name only ever text.
 *
 * Each browser tells where its caret is (awareness field `cursor`: anchor and head); who it is, the server writes
 * (field `user`: id, name, color).
 */
import { Extension } from "@tiptap/core";
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { Decoration, DecorationSet } from "@tiptap/pm/view";
import { anchorAt, positionOf, sameAnchor } from "./anchors.js";
import { element } from "./elements.js";
import { readPage } from "./reading.js";

const KEY = new PluginKey("carets");
const NAME_SHOWN_MS = 2500;
const HUES = 8;

/** Return what an awareness state says about a person, as far as it can be shown. */
export function person(state) {
  const { id, name, color } = state?.user ?? {};
  const hue = Number.isInteger(color) && color >= 0 ? color % HUES : 0;
  return { id: String(id ?? ""), name: String(name ?? "").slice(0, 80), hue };
}

function caret({ name, hue }, client) {
  const label = element("span", { class: "caret-name" }, name);
  const shown = { class: `caret hue-${hue} caret-moved`, "data-client": client, "aria-hidden": "true" };
  return element("span", shown, "\u2060", label, "\u2060");
}

function drawn(state, awareness) {
  const decorations = [];
  for (const [client, told] of awareness.getStates()) {
    if (client === awareness.clientID || !told?.cursor) continue;
    const [anchor, head] = [told.cursor.anchor, told.cursor.head].map((one) => positionOf(state, one));
    if (anchor === null || head === null) continue;
    const who = person(told);
    const key = `${client} ${who.hue} ${who.name}`;
    decorations.push(
      Decoration.widget(head, () => caret(who, client), { key, side: 10, ignoreSelection: true }),
    );
    const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
    if (from < to) decorations.push(Decoration.inline(from, to, { class: `caret-selection hue-${who.hue}` }));
  }
  return DecorationSet.create(state.doc, decorations);
}

/** Tell where we are, hear where the others are. */
class Exchange {
  #timers = new Map();
  #frame = 0;

  constructor(view, awareness) {
    this.view = view;
    this.awareness = awareness;
    this.stop = new AbortController();
    const { signal } = this.stop;
    for (const event of ["focusin", "focusout"])
      view.dom.addEventListener(event, () => this.tell(), { signal });
    this.onChange = ({ added, updated, removed }) => this.#heard([...added, ...updated, ...removed]);
    awareness.on("change", this.onChange);
  }

  /** Draw once per frame, however many carets moved. */
  #heard(clients) {
    const others = clients.filter((client) => client !== this.awareness.clientID);
    if (!others.length) return; // our own caret is the browser's business
    for (const client of others) this.#showName(client);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.view.isDestroyed) return;
      readPage(this.view);
      this.view.dispatch(this.view.state.tr.setMeta(KEY, true));
    });
  }

  /** Show a name while its caret moves; it fades when the caret rests and comes back under the pointer. */
  #showName(client) {
    clearTimeout(this.#timers.get(client));
    const find = () => this.view.dom.querySelector(`.caret[data-client="${client}"]`);
    find()?.classList.add("caret-moved");
    this.#timers.set(
      client,
      setTimeout(() => find()?.classList.remove("caret-moved"), NAME_SHOWN_MS),
    );
  }

  tell() {
    const told = this.awareness.getLocalState()?.cursor ?? null;
    if (!this.view.hasFocus()) {
      if (told) this.awareness.setLocalStateField("cursor", null);
      return;
    }
    const { anchor, head } = this.view.state.selection;
    const cursor = { anchor: anchorAt(this.view.state, anchor), head: anchorAt(this.view.state, head) };
    if (!cursor.anchor || !cursor.head) return;
    const same = told && sameAnchor(told.anchor, cursor.anchor) && sameAnchor(told.head, cursor.head);
    if (!same) this.awareness.setLocalStateField("cursor", cursor);
  }

  destroy() {
    this.stop.abort();
    this.awareness.off("change", this.onChange);
    cancelAnimationFrame(this.#frame);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    if (this.awareness.getLocalState()) this.awareness.setLocalStateField("cursor", null);
  }
}

export const Carets = Extension.create({
  name: "carets",
  priority: 999, // after the binding to the shared document, whose state it reads

  addOptions() {
    return { awareness: null, user: null };
  },

  addProseMirrorPlugins() {
    const { awareness, user } = this.options;
    awareness.setLocalStateField("user", user);
    return [
      new Plugin({
        key: KEY,
        state: {
          init: () => DecorationSet.empty,
          apply: (tr, before, _old, state) => {
            if (tr.getMeta(KEY) || isChangeOrigin(tr)) return drawn(state, awareness);
            return tr.docChanged ? before.map(tr.mapping, tr.doc) : before;
          },
        },
        props: { decorations: (state) => KEY.getState(state) },
        view: (view) => {
          const exchange = new Exchange(view, awareness);
          return { update: () => exchange.tell(), destroy: () => exchange.destroy() };
        },
      }),
    ];
  },
});
