/** What `{{` offers: the cells that the person may refer to, asked of the server while they type. */
const KEPT = 40; // questions

export class Picker {
  #answers = new Map();
  #asking = new Set();

  constructor({ url, store, arrived }) {
    Object.assign(this, { url, store, arrived });
  }

  /** Return the known answer to a query, or that of the words before it, and ask. */
  items(query) {
    const wanted = query.trim().toLowerCase();
    this.#ask(wanted);
    for (let length = wanted.length; length >= 0; length -= 1) {
      const known = this.#answers.get(wanted.slice(0, length));
      if (known) return known.filter(({ search }) => search.includes(wanted));
    }
    return this.#own(wanted);
  }

  /** The cells of this notebook are known without asking. */
  #own(wanted) {
    const found = [...this.store.cells.values()].filter(({ name }) => name.includes(wanted));
    return found.map(({ id, name }) =>
      asItem({ notebook: "", cell: id, label: name, written: name, title: "", mode: "live", preview: "" }),
    );
  }

  /** Return the choice that is written so between braces, if it was among the answers. */
  written(address) {
    const known = [...this.#answers.values()].flat();
    return known.find(isExactly(address)) ?? this.#own(address).find(isExactly(address));
  }

  /** Forget: names have changed. */
  forget() {
    this.#answers.clear();
  }

  async #ask(query) {
    if (this.#answers.has(query) || this.#asking.has(query)) return;
    this.#asking.add(query);
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(`${this.url}pick/?${new URLSearchParams({ q: query })}`, { headers });
      if (!answer.ok) return;
      const { cells } = await answer.json();
      if (this.#answers.size >= KEPT) this.#answers.clear();
      this.#answers.set(query, cells.map(asItem));
      this.arrived();
    } catch {
      // offline: the cells of this notebook are offered all the same
    } finally {
      this.#asking.delete(query);
    }
  }
}

const isExactly = (address) => (choice) => choice.written === address;

function asItem(choice) {
  return {
    ...choice,
    icon: choice.notebook ? "notebook-text" : "tag",
    hint: [choice.notebook && choice.title, choice.preview].filter(Boolean).join(" · "),
    search: `${choice.written} ${choice.title}`.toLowerCase(),
  };
}
