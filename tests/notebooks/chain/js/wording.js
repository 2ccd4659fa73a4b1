/** Phrases as the browser reads and finds them: cases in as JSON, what was made of them out. */
import { readFileSync } from "node:fs";
import { asLimit, count } from "../../../../static/notebooks/chain/limits.js";
import {
  asPhrases,
  checkFor,
  typedPhrases,
  WordingLine,
} from "../../../../static/notebooks/chain/wording.js";
import { useWords } from "../../../../static/notebooks/editor/words.js";
import { schema } from "./people.js";

globalThis.document = { ...globalThis.document, documentElement: { lang: "en" } };
useWords({
  chain_not_said: "Not said: {phrases}",
  chain_says: "Says: {phrases}",
  chain_too_long_characters_other: "Too long: {length} of {count} characters",
  chain_too_long_words_one: "Too long: {length} of {count} word",
});

const sent = JSON.parse(readFileSync(0, "utf8"));
const { lists = [], typed = [], found = [], lines = [], limits = [], counted = [] } = sent;

/** Whether the phrase stands in the text; both ways of asking must agree. */
function stands([text, phrase]) {
  const { missing, present } = checkFor({ required: [phrase], banned: [phrase] })(text);
  if (missing.length === present.length) throw new Error(`both or neither: ${phrase}`);
  return present.length === 1;
}

function cell(settings, paragraphs) {
  const content = paragraphs.map((text) => ({
    type: "paragraph",
    content: text ? [{ type: "text", text }] : [],
  }));
  return schema.nodeFromJSON({
    type: "promptCell",
    attrs: { cellId: "1", name: "a", ...settings },
    content: [{ type: "cellInstruction" }, { type: "cellResult", content }],
  });
}

function drawn() {
  const dom = { textContent: "", hidden: true };
  const line = new WordingLine(dom);
  return lines.map(({ settings, paragraphs, quiet }) => {
    line.show(cell(settings, paragraphs), quiet);
    return dom.hidden ? null : dom.textContent;
  });
}

/** How often the text is looked at when the same node is drawn again and again. */
function looks() {
  const node = cell({ required: '["oats"]' }, ["Rye"]);
  const { lastChild } = node;
  const look = lastChild.textBetween.bind(lastChild);
  let count = 0;
  lastChild.textBetween = (...range) => {
    count += 1;
    return look(...range);
  };
  const line = new WordingLine({ textContent: "", hidden: true });
  for (let time = 0; time < 5; time += 1) line.show(node, time === 2);
  return count;
}

process.stdout.write(
  JSON.stringify({
    lists: lists.map(asPhrases),
    typed: typed.map(typedPhrases),
    found: found.map(stands),
    lines: drawn(),
    limits: limits.map(asLimit),
    counted: counted.map(([text, unit]) => count(text, unit)),
    looks: looks(),
  }),
);
process.exit(0);
