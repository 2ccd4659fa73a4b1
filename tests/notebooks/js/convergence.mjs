/**
 * People who write and undo at once, without browsers and without a server: Yjs documents that exchange
 * updates late, twice, in another order and merged.
 *
 *   node convergence.mjs FIRST LAST OPERATIONS [plain]
 *
 * prints one line of JSON per seed: how many different documents there are in the end, and every update
 * for whoever wants to do with them what a server does. `plain` takes Yjs's own undo instead of ours.
 */
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { Undo } from "../../../static/notebooks/editor/undo.js";
import { Chance } from "./chance.mjs";
import { contentOf, Hands, reading } from "./hands.mjs";

const FROM_OTHERS = "others";

const plainUndo = (content) => new Y.UndoManager(content, { trackedOrigins: new Set([ySyncPluginKey]) });

class Person {
  inbox = [];

  constructor(number, chance, undoOf) {
    this.doc = new Y.Doc();
    this.doc.clientID = 1 + chance.below(2 ** 31);
    this.chance = chance;
    this.hands = new Hands(number, chance, { undoing: 0.3 });
    this.hands.take(this.doc, undoOf(contentOf(this.doc)));
  }

  receive(count) {
    const arriving = this.inbox.splice(0, count);
    for (let at = arriving.length - 1; at > 0; at--) {
      const other = this.chance.happens(0.3) ? this.chance.below(at + 1) : at;
      [arriving[at], arriving[other]] = [arriving[other], arriving[at]];
    }
    while (arriving.length) {
      const some = arriving.splice(0, 1 + this.chance.below(4));
      const parts = this.chance.happens(0.5) ? [Y.mergeUpdates(some)] : some;
      for (const update of parts) Y.applyUpdate(this.doc, update, FROM_OTHERS);
    }
  }

  receiveAll() {
    // Twice: what arrives makes Yjs tidy up formatting, and the others hear of that too.
    while (this.inbox.length) this.receive(this.inbox.length);
  }
}

/** Let people write; return them, who knows all in the end, and every update with its author. */
export function writeTogether(seed, { operations, undoOf = Undo.of }) {
  const chance = new Chance(seed);
  const people = [];
  const updates = [];
  for (let number = 0; number < 2 + chance.below(3); number++) {
    people.push(new Person(number, chance, undoOf));
  }
  for (const person of people) {
    person.doc.on("update", (update, origin) => {
      if (origin === FROM_OTHERS) return;
      updates.push({ by: person.hands.number, update });
      for (const other of people) {
        if (other === person) continue;
        other.inbox.push(update);
        if (chance.happens(0.1)) other.inbox.push(update);
      }
    });
  }
  for (let done = 0; done < operations; done++) {
    const person = chance.pick(people);
    person.hands.act();
    if (chance.happens(0.3)) person.receive(chance.below(person.inbox.length + 1));
  }
  while (people.some((person) => person.inbox.length)) for (const person of people) person.receiveAll();
  return { people, updates };
}

/** Return the different documents that people and newcomers read. */
export function differentReadings({ people, updates }) {
  const newcomer = new Y.Doc();
  Y.applyUpdate(newcomer, Y.mergeUpdates(updates.map(({ update }) => update)));
  const reloaded = new Y.Doc();
  Y.applyUpdate(reloaded, Y.encodeStateAsUpdate(people[0].doc));
  return new Set([...people.map((person) => person.doc), newcomer, reloaded].map(reading));
}

function main([first, last, operations, kind]) {
  Date.now = () => 1; // what is undone as one is for chance to say
  for (let seed = Number(first); seed <= Number(last); seed++) {
    const undoOf = kind === "plain" ? plainUndo : Undo.of;
    const written = writeTogether(seed, { operations: Number(operations), undoOf });
    const readings = [...differentReadings(written)];
    const line = {
      seed,
      documents: readings.length,
      text: contentOf(written.people[0].doc).toString(),
      updates: written.updates.map(({ by, update }) => [by, Buffer.from(update).toString("base64")]),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

if (process.argv[1] === import.meta.filename) main(process.argv.slice(2));
