/**
 * The other tabs of this browser on the same notebook: they agree without the server, offline too.
 */
export class Tabs {
  #channel;

  /** `on`: update(bytes), asked(vector) -> bytes, left(tabId). */
  constructor(name, tabId, on) {
    this.#channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => {
      if (data.kind === "update") on.update(data.update);
      else if (data.kind === "ask") this.#post({ kind: "update", update: on.asked(data.vector) });
      else if (data.kind === "left") on.left(data.tab);
    };
    this.tabId = tabId;
  }

  update(update) {
    this.#post({ kind: "update", update });
  }

  ask(vector) {
    this.#post({ kind: "ask", vector });
  }

  leave() {
    this.#post({ kind: "left", tab: this.tabId });
    this.#channel?.close();
    this.#channel = null;
  }

  #post(message) {
    this.#channel?.postMessage(message);
  }
}
