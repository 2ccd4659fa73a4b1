/** The title: a field that looks like a heading. It is kept by the server, not in the document. */
import { postForm, Refused } from "./requests.js";
import { say } from "./words.js";

const REST_MS = 900;
const AGAIN_MS = 5000;

export class Title {
  #timer = 0;
  #sending = null;

  constructor(field, { url, leave, note }) {
    this.field = field;
    this.url = url;
    this.note = note;
    this.kept = field.value;
    this.stop = new AbortController();
    const { signal } = this.stop;
    field.addEventListener("input", () => this.#changed(), { signal });
    field.addEventListener("blur", () => this.#save(), { signal });
    field.addEventListener("keydown", (event) => this.#onKey(event, leave), { signal });
    window.addEventListener("online", () => this.#save(), { signal });
    this.#fit();
  }

  #onKey(event, leave) {
    if (event.isComposing) return;
    const atEnd = this.field.selectionStart === this.field.value.length;
    if (event.key === "Enter" || (event.key === "ArrowDown" && atEnd)) {
      event.preventDefault();
      leave();
    }
    if (event.key === "Escape") {
      this.field.value = this.kept;
      this.#fit();
    }
  }

  #changed() {
    if (/[\r\n]/.test(this.field.value)) this.field.value = this.field.value.replace(/\s*[\r\n]+\s*/g, " ");
    this.#fit();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), REST_MS);
  }

  /** Let the field be as high as its words, where the browser does not do so itself. */
  #fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  async #save() {
    clearTimeout(this.#timer);
    const wanted = this.field.value.trim();
    if (wanted === this.kept || this.#sending === wanted) return;
    this.#sending = wanted;
    try {
      await postForm(this.url, { title: wanted });
      this.kept = wanted;
      this.#name(wanted);
      this.field.removeAttribute("aria-invalid");
    } catch (error) {
      this.#failed(error, wanted);
    } finally {
      this.#sending = null;
    }
    if (this.field.value.trim() !== wanted) this.#save();
  }

  #failed(error, wanted) {
    if (error instanceof Refused) {
      this.field.setAttribute("aria-invalid", "true");
      this.note(error.message || say("title_refused"), "error");
      return;
    }
    // No connection: the words stay in the field and go out with the next chance.
    this.#timer = setTimeout(() => this.field.value.trim() === wanted && this.#save(), AGAIN_MS);
  }

  #name(title) {
    const shown = title || say("untitled");
    document.title = document.title.replace(/^.*( · [^·]*)$/, (_whole, rest) => `${shown}${rest}`);
    for (const crumb of document.querySelectorAll(".crumbs [aria-current]")) crumb.textContent = shown;
  }

  /** Show what somebody else called it, unless this person is at it. */
  receive(title) {
    const untouched = this.field.value.trim() === this.kept;
    this.kept = title;
    this.#name(title);
    if (!untouched) return;
    this.field.value = title;
    this.#fit();
  }

  destroy() {
    clearTimeout(this.#timer);
    this.stop.abort();
  }
}
