/** Chance that repeats: the same seed gives the same choices. */
export class Chance {
  #state;

  constructor(seed) {
    this.#state = 0x9e3779b9;
    for (const letter of String(seed)) {
      this.#state = Math.imul(this.#state ^ letter.charCodeAt(0), 0x85ebca6b) >>> 0;
      this.#state ^= this.#state >>> 13;
    }
  }

  /** Return a number from 0 up to 1 (mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(limit) {
    return Math.floor(this.next() * limit);
  }

  happens(share) {
    return this.next() < share;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
