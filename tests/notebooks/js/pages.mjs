/**
 * Pages that people write in: static/notebooks/sync and the editor's undo as they are, in a world without
 * windows. Requests come in as lines of JSON, answers and what sockets do go out the same way.
 */
import { createInterface } from "node:readline";
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import { Undo } from "../../../static/notebooks/editor/undo.js";
import { Session } from "../../../static/notebooks/sync/session.js";
import { Chance } from "./chance.mjs";
import { contentOf, Hands, reading, tokensIn } from "./hands.mjs";
import { accountOf, readingOf } from "./judge.mjs";
import { become, hear, setOffline } from "./world.mjs";

const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);
const pages = new Map();

class Page {
  updates = []; // everything that was written here
  #session = null;
  #isOpen = false;

  constructor({ page, notebook, user, schema, number, seed }) {
    this.name = page;
    this.about = { notebookId: notebook, user: { id: user }, schemaVersion: schema, level: 40 };
    this.chance = new Chance(`${seed}/${number}`);
    this.hands = new Hands(number, this.chance);
    this.#start();
  }

  #start() {
    this.#isOpen = false;
    const socket = `ws://${this.name}/`;
    const session = new Session({ ...this.about, urls: { socket, updates: "", fork: "", page: "/" } });
    this.#session = session;
    const { doc } = session;
    doc.clientID = 1 + this.chance.below(2 ** 31);
    doc.on("update", (update, origin) => {
      // Ours, and what Yjs tidies up on its own; everything else came from elsewhere.
      if (origin === ySyncPluginKey || origin === null || origin instanceof Undo) this.updates.push(update);
    });
    this.hands.take(doc, Undo.of(contentOf(doc)));
    this.opened = session.open().then(() => {
      this.#isOpen = session === this.#session;
    });
  }

  act() {
    if (!this.#isOpen) return { written: [] };
    const before = this.hands.written.length;
    this.hands.act();
    const written = this.hands.written.slice(before);
    const there = new Set(tokensIn(contentOf(this.#session.doc).toString()));
    if (!written.every((token) => there.has(token))) throw new Error(`${written} was not written`);
    return { written };
  }

  /** Come back from what this device has kept. */
  async reload() {
    const left = this.#session;
    await left.settled();
    left.destroy();
    this.#start();
    await this.opened; // the device has a copy since the first sync
  }

  look() {
    return { kind: this.#session.state.kind, reading: reading(this.#session.doc) };
  }

  close() {
    this.#session.destroy();
  }
}

const answers = {
  open: async (request) => {
    const page = new Page(request);
    pages.set(request.page, page);
    await page.opened;
  },
  act: ({ page }) => pages.get(page).act(),
  reload: ({ page }) => pages.get(page).reload(),
  offline: ({ page }) => setOffline(page, true),
  online: ({ page }) => setOffline(page, false),
  look: ({ page }) => pages.get(page).look(),
  close: ({ page }) => {
    pages.get(page).close();
    pages.delete(page);
  },
  read: ({ state }) => ({ reading: readingOf([Buffer.from(state, "base64")]) }),
  judge: ({ written, by }) => {
    const updates = written.map((update) => Buffer.from(update, "base64"));
    return accountOf([...updates, ...by.flatMap((page) => pages.get(page).updates)]);
  },
};

async function answer(request) {
  try {
    say({ answer: request.ask, ...(await answers[request.does](request)) });
  } catch (fault) {
    say({ answer: request.ask, fault: String(fault.stack) });
  }
}

become(say);
createInterface({ input: process.stdin }).on("line", (line) => {
  const words = JSON.parse(line);
  if (words.ask === undefined) hear(words);
  else answer(words);
});
