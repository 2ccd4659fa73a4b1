/**
 * A menu that opens while somebody types: a sign at the start of a word, then what they look for. The focus stays in
 * the text; screen readers follow aria-activedescendant. Escape leaves what was typed as it is.
 */
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { element, icon } from "./elements.js";
import { place, rangeRect } from "./placing.js";

const LONGEST = 40;

/** The list beside the caret. */
class Menu {
  #rows = [];

  constructor(view, { name, label, none, box }, choose) {
    Object.assign(this, { view, name, none, choose, at: 0, items: [] });
    this.box = box();
    this.list = element("div", { class: "trigger-menu", id: `${name}-menu`, role: "listbox", hidden: true });
    this.list.setAttribute("aria-label", label());
    this.box.append(this.list);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  show({ from, to, query }, items) {
    const same =
      items.length === this.items.length && items.every((item, index) => item === this.items[index]);
    if (!this.isOpen || !same || !items.length) this.#fill(items, query);
    this.list.hidden = false;
    this.#mark();
    place(this.list, this.box, rangeRect(this.view, from, to));
  }

  #fill(items, query) {
    this.items = items;
    this.at = 0;
    this.#rows = items.map((item, index) => this.#row(item, index));
    const none = element("p", { class: "trigger-none" }, this.none(query));
    this.list.replaceChildren(...(this.#rows.length ? this.#rows : [none]));
  }

  #row(item, index) {
    const on = {
      mousedown: (event) => event.preventDefault(),
      mousemove: () => index !== this.at && this.#moveTo(index),
      click: () => this.choose(item),
    };
    const words = element("span", { class: "trigger-words" }, item.label, element("small", {}, item.hint));
    const shown = { class: "trigger-item", role: "option", id: `${this.name}-${index}`, on };
    return element("div", shown, icon(item.icon), words);
  }

  #moveTo(index) {
    this.at = index;
    this.#mark();
  }

  #mark() {
    for (const [index, row] of this.#rows.entries())
      row.setAttribute("aria-selected", String(index === this.at));
    this.#rows[this.at]?.scrollIntoView({ block: "nearest" });
    this.view.dom.setAttribute("aria-controls", this.list.id);
    if (this.#rows.length) this.view.dom.setAttribute("aria-activedescendant", this.#rows[this.at].id);
  }

  /** Answer a key; true when it was the menu's. */
  press(key) {
    const { length } = this.items;
    const step = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (!length) return false;
    if (step) this.#moveTo((this.at + step + length) % length);
    else if (key === "Enter" || key === "Tab") this.choose(this.items[this.at]);
    else return false;
    return true;
  }

  close() {
    if (!this.isOpen) return;
    this.list.hidden = true;
    this.view.dom.removeAttribute("aria-controls");
    this.view.dom.removeAttribute("aria-activedescendant");
  }

  remove() {
    this.close();
    this.list.remove();
  }
}

/** Return what is being looked for before the caret: where it begins and ends, and the words after the sign. */
function lookFor(sign, within, { selection }) {
  const { $from, empty } = selection;
  if (within && $from.parent.type.name !== within) return null;
  if (!empty || !$from.parent.isTextblock || $from.parent.type.spec.code) return null;
  const start = Math.max(0, $from.parentOffset - LONGEST);
  const before = $from.parent.textBetween(start, $from.parentOffset, null, "\ufffc");
  const at = before.lastIndexOf(sign);
  const query = before.slice(at + sign.length);
  const alone = at === 0 ? start === 0 : /[\s\ufffc(]/.test(before[at - 1] ?? "");
  if (at < 0 || !alone || /^\s|\ufffc/.test(query)) return null;
  return { from: $from.pos - query.length - sign.length, to: $from.pos, query };
}

/** Return the next state: a menu opens by typing only, and stays away where Escape closed it. */
function next({ sign, within }, tr, before, state) {
  const found = lookFor(sign, within, state);
  if (!found) return { found: null, dismissed: null };
  const dismissed =
    before.dismissed !== null && !isChangeOrigin(tr)
      ? tr.mapping.map(before.dismissed, -1)
      : before.dismissed;
  if (tr.getMeta(`${sign}close`) || dismissed === found.from) return { found: null, dismissed: found.from };
  const typed = tr.docChanged && !isChangeOrigin(tr);
  return { found: before.found || typed ? found : null, dismissed: null };
}

/**
 * Return the plugin of a sign, everywhere or only `within` one kind of block. `items(query)` gives what fits, each with icon, label and hint; `run(item, range)`
 * does what was chosen.
 */
export function trigger({ sign, within = null, items, run, ...shown }) {
  const key = new PluginKey(shown.name);
  let menu = null;
  const close = (view) => view.dispatch(view.state.tr.setMeta(`${sign}close`, true));
  const refresh = (view) => {
    const { found } = key.getState(view.state);
    const fitting = found ? items(found.query) : [];
    const nonsense = found && !fitting.length && /\s/.test(found.query);
    if (!found || nonsense || !view.editable) menu.close();
    else menu.show(found, fitting);
  };
  return new Plugin({
    key,
    state: {
      init: () => ({ found: null, dismissed: null }),
      apply: (tr, before, _old, state) => next({ sign, within }, tr, before, state),
    },
    view: (view) => {
      menu = new Menu(view, shown, (item) => {
        const { found } = key.getState(view.state);
        if (found) run(item, found);
      });
      return { update: refresh, destroy: () => menu.remove() };
    },
    props: {
      handleKeyDown: (view, event) => {
        if (!menu.isOpen || event.isComposing) return false;
        if (event.key !== "Escape") return menu.press(event.key);
        close(view);
        return true;
      },
      handleDOMEvents: {
        blur: (view) => {
          if (menu.isOpen) close(view);
        },
      },
    },
  });
}
