/** The fields in which a person sets what a prompt cell is to write, in their words. */
import { element } from "../editor/elements.js";
import { say } from "../editor/words.js";
import { asLimit, HIGHEST, UNITS } from "./limits.js";
import { asPhrases, listed, PHRASE_CHARS, PHRASES_LIMIT, typedPhrases } from "./wording.js";

export const LENGTHS = ["short", "medium", "long"];
const DARING = 4;
const VARIANTS = 4;

/** Return the nearest valid name (apps.notebooks.chain.references.as_name). */
export function asName(wish) {
  const folded = wish
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  const name = /^[a-z]/.test(folded) ? folded : `cell_${folded}`.replace(/_+$/, "");
  return name.slice(0, 41);
}

/** Return a name that no cell of the document has yet. */
export function freeName(doc, wish) {
  const taken = new Set();
  doc.forEach(({ attrs }) => {
    if (attrs.cellId) taken.add(attrs.name);
  });
  if (!taken.has(wish)) return wish;
  let number = 2;
  while (taken.has(`${wish}_${number}`)) number += 1;
  return `${wish}_${number}`;
}

function labelled(words, field) {
  return element("label", { class: "cell-field" }, element("span", {}, words), field);
}

/** Return a slider whose place is said in words. */
function daring(value, change) {
  const words = element("small", { class: "cell-daring", "aria-hidden": "true" });
  const slider = element("input", {
    type: "range",
    class: "cell-range",
    min: 0,
    max: DARING,
    step: 1,
    value,
  });
  const tell = () => {
    words.textContent = say(`chain_adventurous_${slider.value}`);
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.addEventListener("input", tell);
  slider.addEventListener("change", () => change(Number(slider.value)));
  tell();
  return element("span", { class: "cell-slider" }, slider, words);
}

/** What is typed counts when the field is left, or with Enter; Escape takes it back. `commit`: whether all of it counts. */
function countWhenLeft(field, { commit, takeBack }) {
  const onKey = (event) => {
    if (event.key === "Escape") takeBack();
    if (event.key !== "Enter") return;
    if (event.shiftKey || event.isComposing) return event.stopPropagation(); // a line break, or a word of an IME
    event.preventDefault();
    if (!commit()) event.stopPropagation(); // the menu stays open
  };
  field.addEventListener("change", commit);
  field.addEventListener("keydown", onKey);
}

function noteFor(name) {
  return element("small", { id: `cell-${name}-note`, class: "cell-field-note", role: "status" });
}

/** Return a field of phrases. More than can be kept stays in the field, with a word about it. */
function phraseField(name, phrases, change) {
  let now = phrases;
  const field = element("textarea", {
    class: "control cell-phrases",
    rows: 1,
    spellcheck: "false",
    autocomplete: "off",
    enterkeyhint: "done",
    placeholder: say(`chain_${name}_hint`),
    "aria-describedby": `cell-${name}-note`,
  });
  const note = noteFor(name);
  const tell = (isAll) => {
    const limits = { phrases: PHRASES_LIMIT, characters: PHRASE_CHARS };
    note.textContent = isAll ? "" : say("chain_phrases_limit", limits);
    field.setAttribute("aria-invalid", String(!isAll));
    if (isAll) field.value = listed(now);
    return isAll;
  };
  const commit = () => {
    const typed = typedPhrases(field.value);
    const differs = listed(typed.phrases) !== listed(now);
    now = typed.phrases;
    if (differs) change(now);
    return tell(typed.isAll);
  };
  countWhenLeft(field, { commit, takeBack: () => tell(true) });
  tell(true);
  return element("div", { class: "cell-wishes" }, labelled(say(`chain_${name}`), field), note);
}

/** Return the field of a limit, empty without one, and what it counts. A number that cannot be stays, with a word about it. */
function limitField(limit, change) {
  let now = limit;
  const field = element("input", {
    type: "number",
    class: "control",
    min: 1,
    max: HIGHEST,
    step: 1,
    inputmode: "numeric",
    autocomplete: "off",
    enterkeyhint: "done",
    "aria-describedby": "cell-limit-note",
  });
  const options = UNITS.map((unit) =>
    element("option", { value: unit, selected: unit === now?.unit }, say(`chain_limit_${unit}`)),
  );
  const units = element("select", { class: "control", "aria-label": say("chain_limit_unit") }, ...options);
  const note = noteFor("limit");
  const tell = (isOne) => {
    note.textContent = isOne ? "" : say("chain_limit_range", { high: HIGHEST });
    field.setAttribute("aria-invalid", String(!isOne));
    if (isOne) field.value = now?.high ?? "";
    return isOne;
  };
  const commit = () => {
    if (!field.validity.valid) return tell(false);
    const typed = asLimit({ unit: units.value, high: field.valueAsNumber });
    const differs = typed?.high !== now?.high || typed?.unit !== now?.unit;
    now = typed;
    if (differs) change(now);
    return tell(true);
  };
  countWhenLeft(field, { commit, takeBack: () => tell(true) });
  units.addEventListener("change", commit);
  tell(true);
  const number = element("label", {}, element("span", {}, say("chain_limit")), field);
  return element(
    "div",
    { class: "cell-limit" },
    element("div", { class: "cell-field" }, number, units),
    note,
  );
}

/** Return the form of a cell's settings; `set` gets the name of the one that a person changes, and its value. */
export function settingsForm(now, set) {
  const options = LENGTHS.map((length) =>
    element("option", { value: length, selected: length === now.length }, say(`chain_length_${length}`)),
  );
  const length = element(
    "select",
    { class: "control", on: { change: ({ target }) => set("length", target.value) } },
    ...options,
  );
  const count = Array.from({ length: VARIANTS }, (_, index) =>
    element("option", { value: index + 1, selected: index + 1 === now.variants }, String(index + 1)),
  );
  const variants = element(
    "select",
    { class: "control", on: { change: ({ target }) => set("variants", Number(target.value)) } },
    ...count,
  );
  return element(
    "div",
    { class: "cell-fields" },
    labelled(say("chain_length"), length),
    limitField(asLimit(now.limit), (limit) => set("limit", limit)),
    labelled(
      say("chain_adventurous"),
      daring(now.adventurous, (value) => set("adventurous", value)),
    ),
    labelled(say("chain_variants"), variants),
    phraseField("required", asPhrases(now.required), (some) => set("required", some)),
    phraseField("banned", asPhrases(now.banned), (some) => set("banned", some)),
  );
}
