/**
 * What a cell's text is to say, what it must not and how long it may be: the phrases as people type them, and whether
 * they stand there.
 * A list of phrases is read as in apps/notebooks/chain/cells.py, a phrase found in a text by the rule of
 * inferencecloud/evaluation/limits.py: whole words, in any case and any spacing.
 */
import { say } from "../editor/words.js";
import { asLimit, count, SPACED_LETTER, UNSPACED } from "./limits.js";
import { settingsOf } from "./settings.js";

export const PHRASES_LIMIT = 20;
export const PHRASE_CHARS = 80;
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;
const BEGINS_UNSPACED = new RegExp(`^${UNSPACED}`, "u");
const ENDS_UNSPACED = new RegExp(`${UNSPACED}$`, "u");
const BETWEEN = /\n|(?<!\d),|,(?!\d)/; // a comma within a number divides nothing

function fold(words) {
  return words.trim().replace(/\s+/g, " ");
}

/** Return the phrases of a list, each once; what makes no sense is left out. */
export function asPhrases(list) {
  const found = new Map();
  for (const one of Array.isArray(list) ? list : []) {
    const phrase = typeof one === "string" ? fold(one) : "";
    const isOne = phrase && [...phrase].length <= PHRASE_CHARS && !UNPRINTABLE.test(phrase);
    if (isOne && !found.has(phrase.toLowerCase())) found.set(phrase.toLowerCase(), phrase);
  }
  return [...found.values()].slice(0, PHRASES_LIMIT);
}

/** Return the phrases that a person typed, and whether all of them are among those. */
export function typedPhrases(written) {
  const typed = written.split(BETWEEN).map(fold).filter(Boolean);
  const phrases = asPhrases(typed);
  const distinct = new Set(typed.map((phrase) => phrase.toLowerCase()));
  return { phrases, isAll: phrases.length === distinct.size };
}

export function listed(phrases) {
  return phrases.join(", ");
}

/** Quotation marks are typed straight in a field, and set as a typographer would in the text. */
function straight(words) {
  return words.replace(/[‘’]/g, "'").replace(/[“”]/g, '"');
}

function patternOf(phrase) {
  const words = straight(phrase)
    .split(/\s+/)
    .map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const before = BEGINS_UNSPACED.test(phrase) ? "" : `(?<!${SPACED_LETTER})`;
  const after = ENDS_UNSPACED.test(phrase) ? "" : `(?!${SPACED_LETTER})`;
  return new RegExp(`${before}${words.join("\\s+")}${after}`, "iu");
}

/**
 * Return what tells of a text which phrases it lacks of those that it must say, and has of those that it must not, and
 * its length where that is over the limit.
 */
export function checkFor({ required, banned, limit = null }) {
  const [must, mustNot] = [required, banned].map((some) => some.map((one) => [one, patternOf(one)]));
  return (text) => {
    const said = straight(text);
    const length = limit ? count(text, limit.unit) : 0;
    return {
      missing: must.filter(([, pattern]) => !pattern.test(said)).map(([phrase]) => phrase),
      present: mustNot.filter(([, pattern]) => pattern.test(said)).map(([phrase]) => phrase),
      over: limit && length > limit.high ? { length, limit } : null,
    };
  };
}

/** The quiet line under a cell's text. It looks at the text only when that, or the settings, have changed. */
export class WordingLine {
  #wishes = null;
  #check = null; // nothing is set
  #result = null;
  #words = "";

  constructor(dom) {
    this.dom = dom;
  }

  /** Show what is to be told of a prompt cell's node; `isQuiet`: nothing, whatever its text is. */
  show(node, isQuiet) {
    const words = isQuiet ? "" : this.#look(node);
    if (this.dom.textContent === words) return;
    this.dom.textContent = words;
    this.dom.hidden = !words;
  }

  #look({ attrs, lastChild: result }) {
    const { required, banned, limit, params } = attrs;
    const wishes = [required, banned, limit, params].join("\n");
    if (wishes === this.#wishes && result === this.#result) return this.#words;
    if (wishes !== this.#wishes) this.#check = checkOf(settingsOf(attrs));
    [this.#wishes, this.#result] = [wishes, result];
    this.#words = this.#check ? told(result, this.#check) : "";
    return this.#words;
  }
}

function checkOf(settings) {
  const [required, banned] = [asPhrases(settings.required), asPhrases(settings.banned)];
  const limit = asLimit(settings.limit);
  return required.length || banned.length || limit ? checkFor({ required, banned, limit }) : null;
}

function told(result, check) {
  const text = result.textBetween(0, result.content.size, "\n", "\n").trim();
  if (!text) return "";
  const { missing, present, over } = check(text);
  const parts = [];
  if (missing.length) parts.push(say("chain_not_said", { phrases: listed(missing) }));
  if (present.length) parts.push(say("chain_says", { phrases: listed(present) }));
  if (over) parts.push(tooLong(over));
  return parts.join(" · ");
}

function tooLong({ length, limit }) {
  return say(`chain_too_long_${limit.unit}`, { length, count: limit.high });
}
