/** The interface's words, translated by the server (apps/notebooks/views/editor_words.py) and part of the page. */
let words = {};
let plural = new Intl.PluralRules("en");

export function useWords(given) {
  words = given;
  plural = new Intl.PluralRules(document.documentElement.lang || "en");
}

/** Return the words of a key with {name} filled in; with a `count` the key's form for that number. */
export function say(key, values = {}) {
  const form = "count" in values ? `${key}_${plural.select(values.count) === "one" ? "one" : "other"}` : key;
  const text = words[form] ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
