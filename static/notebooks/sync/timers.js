/** Named timers: each name has one at most, and all end together. */
export class Timers {
  #running = new Map();

  has(name) {
    return this.#running.has(name);
  }

  after(name, delayMs, work) {
    clearTimeout(this.#running.get(name));
    this.#running.set(name, setTimeout(work, delayMs));
  }

  every(name, periodMs, work) {
    this.after(name, periodMs, () => {
      work();
      this.every(name, periodMs, work);
    });
  }

  cancel(name) {
    clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  cancelAll() {
    for (const name of [...this.#running.keys()]) this.cancel(name);
  }
}
