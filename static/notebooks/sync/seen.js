/** Which update numbers have been seen, when they may arrive in any order. */
export class Seen {
  #beyond = [];

  constructor(upto = 0) {
    this.upto = upto;
  }

  /** Note the numbers first … last. */
  add(first, last) {
    if (last <= this.upto) return;
    this.#beyond.push([first, last]);
    this.#beyond.sort((one, other) => one[0] - other[0]);
    while (this.#beyond.length && this.#beyond[0][0] <= this.upto + 1) {
      this.upto = Math.max(this.upto, this.#beyond.shift()[1]);
    }
  }

  /** Whether a number is missing before one that was seen. */
  get hasHole() {
    return this.#beyond.length > 0;
  }
}
