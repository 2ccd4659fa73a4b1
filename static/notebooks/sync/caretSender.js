/**
 * Tells the others where one's caret is, not more often than they can see it move.
 */
import * as awarenessProtocol from "y-protocols/awareness";
import { Timers } from "./timers.js";
import { awarenessFrame } from "./wire.js";

const PAUSE_MS = 40;

export class CaretSender {
  #awareness;
  #client;
  #send;
  #sentAt = 0;
  #timers = new Timers();

  /** `send` takes a frame. */
  constructor(awareness, client, send) {
    this.#awareness = awareness;
    this.#client = client;
    this.#send = send;
    awareness.on("update", this.#onUpdate);
  }

  /** Note where the others' carets are. */
  receive(carets) {
    awarenessProtocol.applyAwarenessUpdate(this.#awareness, carets, this);
  }

  /** Forget the others: they are not heard of for now. */
  forgetOthers() {
    const others = [...this.#awareness.getStates().keys()].filter((id) => id !== this.#client);
    awarenessProtocol.removeAwarenessStates(this.#awareness, others, this);
  }

  /** Say where the caret is to whoever has not heard it. */
  repeat() {
    if (this.#awareness.getLocalState()) this.#sendNow();
  }

  leave() {
    awarenessProtocol.removeAwarenessStates(this.#awareness, [this.#client], "local");
  }

  end() {
    this.leave();
    this.#timers.cancelAll();
    this.#awareness.off("update", this.#onUpdate);
    this.#awareness.destroy();
  }

  #onUpdate = ({ added, updated, removed }, origin) => {
    if (origin === this) return;
    if (![...added, ...updated, ...removed].includes(this.#client)) return;
    const leaves = this.#awareness.getLocalState() === null;
    const wait = this.#sentAt + PAUSE_MS - performance.now();
    if (leaves || wait <= 0) this.#sendNow();
    else if (!this.#timers.has("caret")) this.#timers.after("caret", wait, () => this.#sendNow());
  };

  #sendNow() {
    this.#timers.cancel("caret");
    this.#sentAt = performance.now();
    const carets = awarenessProtocol.encodeAwarenessUpdate(this.#awareness, [this.#client]);
    this.#send(awarenessFrame(carets));
  }
}
