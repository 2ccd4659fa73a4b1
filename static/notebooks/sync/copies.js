/** A copy on this device beside the server's: what of it is only here, and a notebook of its own for it. */
import * as Y from "yjs";
import { fromBase64 } from "./wire.js";

/** The copy was not made; the message is the server's, `isFinal` where asking again is of no use. */
export class NotKept extends Error {
  constructor(message, status) {
    super(message);
    this.isFinal = status === 413 || status === 422;
  }
}

/** Make a new notebook of what is on the screen; return its address. */
export async function forkOf(doc, url) {
  const response = await fetch(url, {
    method: "POST",
    body: Y.encodeStateAsUpdate(doc),
    credentials: "same-origin",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/octet-stream",
      "X-CSRFToken": /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "",
    },
  });
  if (!response.ok) {
    const { reason } = await response.json().catch(() => ({}));
    throw new NotKept(reason ?? "", response.status);
  }
  return (await response.json()).url;
}

/** Say whether the document has writing that the server, asked at this address, has not. */
export async function hasMoreThanServer(doc, url) {
  const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const { updates } = await response.json();
  const theirs = new Y.Doc();
  for (const update of updates) Y.applyUpdate(theirs, fromBase64(update));
  const known = Y.decodeStateVector(Y.encodeStateVector(theirs));
  const ours = Y.decodeStateVector(Y.encodeStateVector(doc));
  return [...ours].some(([client, clock]) => clock > (known.get(client) ?? 0));
}
