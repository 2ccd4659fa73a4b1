/**
 * How long a text may be at most, and how long it is: the one read as in apps/notebooks/chain/cells.py, the other
 * counted as in inferencecloud/evaluation/limits.py.
 */
export const UNITS = ["characters", "words", "sentences"];
export const HIGHEST = 10_000;
/** Letters of scripts that set no space between words, or write particles onto them: no word has a border there. */
export const UNSPACED =
  "[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u2e80-\\u2fdf\\u3005-\\u30ff\\u3400-\\u9fff\\uac00-\\ud7af" +
  "\\uf900-\\ufaff\\u{20000}-\\u{3ffff}]";
const LETTER = "[\\p{L}\\p{N}_]";
const HAS_LETTER = new RegExp(LETTER, "u");
export const SPACED_LETTER = `(?!${UNSPACED})${LETTER}`;
const NO_ABBREVIATION =
  "(?<!\\b(?:Dr|Mr|Mrs|Ms|Prof|St|Mt|vs|approx|e\\.g|i\\.e))(?!(?<=\\bNo)\\.\\s(?:\\d|$))";
const SENTENCE_END = new RegExp(`${NO_ABBREVIATION}[.!?]+["')\\]]*(?=\\s|$)|[。！？]+[」』）〉》”’]*`, "g");

/** Return a cell's limit; null where there is none, or one that makes no sense. */
export function asLimit(value) {
  const { unit, high } = value ?? {};
  const isOne = UNITS.includes(unit) && Number.isInteger(high) && high >= 1 && high <= HIGHEST;
  return isOne ? { unit, high } : null;
}

const COUNTS = {
  characters: (text) => [...text].length, // whole ones, not halves as in text.length
  words: (text) => text.split(/\s+/).filter((word) => HAS_LETTER.test(word)).length,
  sentences: (text) => {
    const ends = [...text.matchAll(SENTENCE_END)];
    const last = ends.at(-1);
    const rest = last ? text.slice(last.index + last[0].length) : text;
    return ends.length + Number(HAS_LETTER.test(rest)); // a last one without an end counts
  },
};

export function count(text, unit) {
  return COUNTS[unit](text);
}
