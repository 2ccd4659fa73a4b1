/**
 * The words that are being written, as far as this page has heard them. The rule is apps/inference/events.py's: a delta
 * stands at `seq`, counted in UTF-16 units; what overlaps replaces, and a gap makes the page ask for the whole again.
 */
export class LiveTexts {
  #texts = new Map(); // "step:variant" -> text
  #whole = new Set(); // keys of what is written to its end
  #early = []; // deltas beyond what is known

  #key(step, variant) {
    return `${step}:${variant}`;
  }

  get(step, variant) {
    return this.#texts.get(this.#key(step, variant)) ?? "";
  }

  /** Take a delta; false when something before it is missing and the snapshot has to be fetched. */
  take({ step, variant, seq, text }) {
    const have = this.get(step, variant);
    if (seq > have.length) {
      this.#early.push({ step, variant, seq, text });
      return false;
    }
    if (have.startsWith(text, seq)) return true; // said again
    if (!this.#whole.has(this.#key(step, variant)))
      this.#texts.set(this.#key(step, variant), have.slice(0, seq) + text);
    return true;
  }

  /** Take what the server knows, then what arrived early; false while a gap is left. */
  catchUp(runs) {
    for (const { steps } of runs) {
      for (const { step, texts } of steps) {
        for (const { variant, text, output } of texts) {
          const have = this.get(step, variant);
          if (output) this.#whole.add(this.#key(step, variant));
          if (output || text.length > have.length) this.#texts.set(this.#key(step, variant), text);
        }
      }
    }
    const early = this.#early.splice(0).sort((a, b) => a.seq - b.seq);
    return early.map((delta) => this.take(delta)).every(Boolean);
  }

  /** Forget the texts of steps that nobody shows any more. */
  keepOnly(steps) {
    for (const key of this.#texts.keys()) if (!steps.has(key.split(":")[0])) this.#texts.delete(key);
    for (const key of this.#whole) if (!steps.has(key.split(":")[0])) this.#whole.delete(key);
    this.#early = this.#early.filter(({ step }) => steps.has(step));
  }
}
