/** The carets and chosen words of the others. Their colour is a class (.hue-0 … .hue-7), their name only ever text. */
import { Extension } from "@tiptap/core";
import { yCursorPlugin } from "@tiptap/y-tiptap";
import { element } from "./elements.js";

const NAME_SHOWN_MS = 2500;
const HUES = 8;
// The binding wants a hex colour beside our own field and warns about anything else.
const ANY_HEX = "#666666";

/** Return what an awareness state says about a person, as far as it can be shown. */
export function person(state) {
  const given = state?.user ?? {};
  const hue = Number.isInteger(given.hue) && given.hue >= 0 && given.hue < HUES ? given.hue : 0;
  return { id: String(given.id ?? ""), name: String(given.name ?? "").slice(0, 80), hue };
}

/** Say who we are. */
export function introduce(awareness, user) {
  awareness.setLocalStateField("user", { id: user.id, name: user.name, hue: user.color, color: ANY_HEX });
}

function caret(user, clientId) {
  const { name, hue } = person({ user });
  const label = element("span", { class: "caret-name" }, name);
  const shown = { class: `caret hue-${hue} caret-moved`, "data-client": clientId, "aria-hidden": "true" };
  return element("span", shown, "\u2060", label, "\u2060");
}

/** Show a name while its caret moves; it fades when the caret rests and comes back under the pointer. */
class Names {
  #timers = new Map();

  constructor(view, awareness) {
    this.view = view;
    this.awareness = awareness;
    this.onChange = ({ added, updated }) => this.#moved([...added, ...updated]);
    awareness.on("change", this.onChange);
  }

  #moved(clients) {
    for (const client of clients) {
      if (client === this.awareness.clientID) continue;
      clearTimeout(this.#timers.get(client));
      const find = () => this.view.dom.querySelector(`.caret[data-client="${client}"]`);
      find()?.classList.add("caret-moved");
      const rest = () => find()?.classList.remove("caret-moved");
      this.#timers.set(client, setTimeout(rest, NAME_SHOWN_MS));
    }
  }

  destroy() {
    this.awareness.off("change", this.onChange);
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}

export const Carets = Extension.create({
  name: "carets",
  priority: 999,

  addOptions() {
    return { awareness: null, user: null };
  },

  addProseMirrorPlugins() {
    const { awareness, user } = this.options;
    introduce(awareness, user);
    const plugin = yCursorPlugin(awareness, {
      cursorBuilder: caret,
      selectionBuilder: (given) => ({ class: `caret-selection hue-${person({ user: given }).hue}` }),
    });
    const inner = plugin.spec.view;
    plugin.spec.view = (view) => {
      const shown = inner(view);
      const names = new Names(view, awareness);
      return {
        ...shown,
        destroy: () => {
          names.destroy();
          shown.destroy?.();
        },
      };
    };
    return [plugin];
  },
});
