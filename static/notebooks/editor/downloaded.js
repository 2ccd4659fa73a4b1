/**
 * Tell the server that somebody took the text along: it is final for now (apps/notebooks/settling.py). Offline it is
 * remembered on this device, for the person who did it, and told when there is a connection.
 */
import { postForm, Refused } from "./requests.js";

const SAVED_MS = 5000; // longest wait for what was just typed to arrive

export class Downloads {
  #stop = new AbortController();

  constructor({ session, user, url }) {
    Object.assign(this, { session, url, key: `downloads:${user}` });
    window.addEventListener("online", () => this.#tell(), { signal: this.#stop.signal });
    this.#tell();
  }

  destroy() {
    this.#stop.abort();
  }

  /** Note a download of this notebook, and tell of it once the server has what was downloaded. */
  async note() {
    this.#keep(new Set([...this.#kept(), this.url]));
    await this.#saved();
    await this.#tell();
  }

  #kept() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "[]");
    } catch {
      return [];
    }
  }

  #keep(urls) {
    try {
      if (urls.size) localStorage.setItem(this.key, JSON.stringify([...urls]));
      else localStorage.removeItem(this.key);
    } catch {
      // a browser that keeps nothing: then only what can be told at once is told
    }
  }

  async #tell() {
    for (const url of new Set([...this.#kept()])) {
      try {
        await postForm(url, {});
      } catch (error) {
        if (!(error instanceof Refused)) return; // offline: later
      }
      const left = new Set(this.#kept());
      left.delete(url);
      this.#keep(left);
    }
  }

  #saved() {
    const { session } = this;
    if (!session.state.pending) return Promise.resolve();
    return new Promise((resolve) => {
      const listening = new AbortController();
      const done = () => {
        listening.abort();
        resolve();
      };
      const look = () => !session.state.pending && done();
      session.addEventListener("state", look, { signal: listening.signal });
      setTimeout(done, SAVED_MS);
    });
  }
}
