// One person, six steps: what stands on the screen is what a reload and everybody else reads.
import assert from "node:assert/strict";
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { Undo } from "../../../static/notebooks/editor/undo.js";
import { contentOf } from "./hands.mjs";

function sixSteps(undoOf) {
  const doc = new Y.Doc();
  const content = contentOf(doc);
  const paragraph = new Y.XmlElement("paragraph");
  paragraph.insert(0, [new Y.XmlText("abc")]);
  content.insert(0, [paragraph]);
  const undo = undoOf(content);
  const text = () => content.get(0).get(0);
  const takeBack = (change) => {
    undo.stopCapturing();
    doc.transact(change, ySyncPluginKey);
    undo.undo();
  };
  takeBack(() => text().delete(1, 2));
  takeBack(() => text().delete(2, 1));
  takeBack(() => content.delete(0, 1));
  const reloaded = new Y.Doc();
  Y.applyUpdate(reloaded, Y.encodeStateAsUpdate(doc));
  return [content.toString(), contentOf(reloaded).toString()];
}

const plain = (content) => new Y.UndoManager(content, { trackedOrigins: new Set([ySyncPluginKey]) });
const [here, elsewhere] = sixSteps(plain);
assert.notEqual(here, elsewhere, "Yjs does it right by itself: undo.js can go (docs/adr/0009-undo.md)");
assert.deepEqual(sixSteps(Undo.of), ["<paragraph>abc</paragraph>", "<paragraph>abc</paragraph>"]);
