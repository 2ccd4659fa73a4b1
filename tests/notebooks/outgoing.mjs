// What is too large for the server is refused here, where the page can say so, and the rest goes on.
import assert from "node:assert/strict";
import * as Y from "yjs";
import { Outgoing } from "../../static/notebooks/sync/outgoing.js";

function update(length) {
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "x".repeat(length));
  return Y.encodeStateAsUpdate(doc);
}

const outgoing = new Outgoing();
const sent = [];
outgoing.add(1, update(5 * 1024 * 1024));
outgoing.add(2, update(10));
outgoing.flush((id, payload) => sent.push([id, payload.length]));
assert.equal(sent.length, 1);
assert.ok(sent[0][1] < 100);
assert.ok(outgoing.hasRefused);
assert.equal(outgoing.pending, 2);
assert.deepEqual(outgoing.acknowledged([sent[0][0]]), [2]);
assert.equal(outgoing.pending, 1);
