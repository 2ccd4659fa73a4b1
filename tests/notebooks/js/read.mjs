// Read documents as a browser does: a line of base64 in, what it says out.
import { readFileSync } from "node:fs";
import * as Y from "yjs";
import { contentOf } from "./hands.mjs";

for (const line of readFileSync(0, "utf8").split("\n")) {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(line, "base64"));
  process.stdout.write(`${contentOf(doc).toString()}\n`);
}
