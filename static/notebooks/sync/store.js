/**
 * The copy of one notebook on this device (IndexedDB), shared by all tabs of one person.
 *
 *   updates   everything that the document consists of, in any order
 *   pending   our own updates that the server has not acknowledged: key "<tab>:<number>" -> update
 *   meta      {epoch, schema, seq}: `updates` contains everything of that epoch up to seq
 *
 * What arrives while a transaction runs is written by the next one, so typing never waits for the disk.
 * Records are merged from the records themselves, never from one tab's document: another tab may have
 * written what this one has not seen.
 */
import * as Y from "yjs";

const PREFIX = "notebook.";
const MERGE_ABOVE = 400; // records

export const nameOf = (userId, notebookId) => `${PREFIX}${userId}.${notebookId}`;

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => resolve(null);
  });
}

function openDatabase(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("updates", { autoIncrement: true });
    request.result.createObjectStore("pending");
    request.result.createObjectStore("meta");
  };
  return done(request);
}

export class Store {
  #name;
  #database = null;
  #waiting = [];
  #writing = null;
  #count = 0;

  constructor(userId, notebookId) {
    this.#name = nameOf(userId, notebookId);
  }

  /** Whether this browser keeps anything (private windows may not). */
  get works() {
    return this.#database !== null;
  }

  /** Return {meta, updates, pending}; an empty copy where there is none or none can be kept. */
  async load() {
    try {
      this.#database = await openDatabase(this.#name);
      this.#database.onversionchange = () => this.#database.close();
    } catch {
      this.#database = null;
      return { meta: null, updates: [], pending: [] };
    }
    const transaction = this.#database.transaction(["updates", "pending", "meta"]);
    const [meta, updates] = await Promise.all([
      done(transaction.objectStore("meta").get("meta")),
      done(transaction.objectStore("updates").getAll()),
    ]);
    this.#count = updates.length;
    return { meta: meta ?? null, updates, pending: await this.pending() };
  }

  /** Return every unacknowledged update on this device, whichever tab wrote it. */
  async pending() {
    if (!this.#database) return [];
    const pending = this.#database.transaction("pending").objectStore("pending");
    const [keys, updates] = await Promise.all([done(pending.getAllKeys()), done(pending.getAll())]);
    return keys.map((key, at) => ({ key, update: updates[at] }));
  }

  addOwn(key, update) {
    return this.#write((stores) => {
      stores.updates.add(update);
      stores.pending.put(update, key);
      this.#count += 1;
    });
  }

  addRemote(updates, meta) {
    return this.#write((stores) => {
      for (const update of updates) stores.updates.add(update);
      this.#count += updates.length;
      this.#putMeta(stores.meta, meta);
    });
  }

  acknowledged(keys, meta) {
    return this.#write((stores) => {
      for (const key of keys) stores.pending.delete(key);
      this.#putMeta(stores.meta, meta);
    });
  }

  /** Another tab may be further: what either says is true of the shared records. */
  #putMeta(store, meta) {
    const request = store.get("meta");
    request.onsuccess = () => {
      const known = request.result;
      const further = known?.epoch === meta.epoch && known.seq > meta.seq;
      store.put(further ? { ...meta, seq: known.seq } : meta, "meta");
    };
  }

  /** Resolve once everything handed in so far is on the disk. */
  async settled() {
    while (this.#writing) await this.#writing;
  }

  #write(work) {
    if (!this.#database) return Promise.resolve();
    this.#waiting.push(work);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #writeAll() {
    while (this.#waiting.length && this.#database) {
      const works = this.#waiting.splice(0);
      try {
        const transaction = this.#database.transaction(["updates", "pending", "meta"], "readwrite");
        const stores = {
          updates: transaction.objectStore("updates"),
          pending: transaction.objectStore("pending"),
          meta: transaction.objectStore("meta"),
        };
        for (const work of works) work(stores);
        if (this.#count > MERGE_ABOVE) this.#mergeRecords(stores.updates);
        await new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onerror = () => reject(transaction.error);
          transaction.onabort = () => reject(transaction.error);
        });
      } catch {
        this.#database = null; // full, or deleted under us: from now on nothing is kept here
      }
    }
  }

  #mergeRecords(updates) {
    const request = updates.getAll();
    request.onsuccess = () => {
      const doc = new Y.Doc();
      doc.transact(() => {
        for (const update of request.result) Y.applyUpdate(doc, update);
      });
      updates.clear();
      updates.add(Y.encodeStateAsUpdate(doc)); // Yjs keeps what waits for earlier updates
      doc.destroy();
      this.#count = 1;
    };
  }

  /** Delete the copy of this notebook from the device. */
  async wipe() {
    this.#database?.close();
    this.#database = null;
    this.#waiting = [];
    await done(indexedDB.deleteDatabase(this.#name)).catch(() => null);
  }

  close() {
    this.#database?.close();
    this.#database = null;
  }
}

/** Return how many updates on this device the server has not acknowledged. */
export async function unsentChanges() {
  let count = 0;
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (!name?.startsWith(PREFIX)) continue;
    const database = await openDatabase(name);
    count += await done(database.transaction("pending").objectStore("pending").count());
    database.close();
  }
  return count;
}

/** Delete every notebook's copy on this device, or all but those of one person. */
export async function wipeStores({ exceptOf = null } = {}) {
  const kept = exceptOf && `${PREFIX}${exceptOf}.`;
  const databases = (await indexedDB.databases?.()) ?? [];
  const names = databases.map((one) => one.name).filter((name) => name?.startsWith(PREFIX));
  const doomed = names.filter((name) => !(kept && name.startsWith(kept)));
  await Promise.all(doomed.map((name) => done(indexedDB.deleteDatabase(name)).catch(() => null)));
}
