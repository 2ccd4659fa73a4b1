/** Who else is here: one avatar per person, however many tabs they have open. A click goes to where they write. */
import { person } from "./carets.js";
import { element } from "./elements.js";
import { say } from "./words.js";

const SHOWN = 4;

function initials(name) {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}

export class Presence {
  constructor(dom, awareness, goTo) {
    this.dom = dom;
    this.awareness = awareness;
    this.goTo = goTo;
    this.shown = "";
    this.onChange = () => this.draw();
    awareness.on("change", this.onChange);
    this.draw();
  }

  /** Return the others by person. */
  #others() {
    const others = new Map();
    const mine = String(this.awareness.getLocalState()?.user?.id ?? "");
    for (const [client, state] of this.awareness.getStates()) {
      const found = person(state);
      if (client === this.awareness.clientID || !found.id || found.id === mine) continue;
      if (!others.has(found.id) || state.cursor) others.set(found.id, { ...found, client });
    }
    return [...others.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  draw() {
    const others = this.#others();
    const key = JSON.stringify(others);
    if (key === this.shown) return;
    this.shown = key;
    const avatars = others.slice(0, SHOWN).map((one) => this.#avatar(one));
    const rest = others.slice(SHOWN).map(({ name }) => name);
    if (rest.length) {
      const label = rest.join(", ");
      avatars.push(
        element(
          "span",
          { class: "avatar-initials", role: "img", "aria-label": label, title: label },
          `+${rest.length}`,
        ),
      );
    }
    this.dom.replaceChildren(...avatars);
  }

  #avatar({ name, hue, client }) {
    const label = say("presence_go", { name });
    const shown = { type: "button", class: `avatar-initials hue-${hue}`, "aria-label": label, title: name };
    const letters = { "data-letters": initials(name) }; // drawn by the sheet: the name is what is read
    return element("button", { ...shown, ...letters, on: { click: () => this.goTo(client) } });
  }

  destroy() {
    this.awareness.off("change", this.onChange);
    this.dom.replaceChildren();
  }
}
