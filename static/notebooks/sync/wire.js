/**
 * Frames of a notebook's socket; apps/notebooks/messages.py is the other end and explains them.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

const SYNC = 0;
const CHANGES = 1;
const AWARENESS = 2;
const UPDATE = 3;
const RESEND = 4;

/** Return the frame that carries one of our updates; `resent` when it may be stored already. */
export function updateFrame(id, update, { resent = false } = {}) {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, resent ? RESEND : UPDATE);
  encoding.writeVarUint(encoder, id);
  encoding.writeUint8Array(encoder, update);
  return encoding.toUint8Array(encoder);
}

/** Return the frame that announces carets (an update of y-protocols' awareness). */
export function awarenessFrame(carets) {
  const frame = new Uint8Array(carets.length + 1);
  frame[0] = AWARENESS;
  frame.set(carets, 1);
  return frame;
}

/** Return {kind: "sync"|"changes"|"awareness", ...} of a binary frame. */
export function readFrame(bytes) {
  const decoder = decoding.createDecoder(bytes);
  const kind = decoding.readUint8(decoder);
  if (kind === AWARENESS) return { kind: "awareness", carets: bytes.subarray(1) };
  const first = decoding.readVarUint(decoder);
  if (kind === SYNC) return { kind: "sync", seq: first, updates: readList(decoder) };
  if (kind !== CHANGES) throw new Error(`a frame of unknown kind ${kind}`);
  const last = decoding.readVarUint(decoder);
  return { kind: "changes", first, last, updates: readList(decoder) };
}

function readList(decoder) {
  const found = [];
  while (decoding.hasContent(decoder)) found.push(decoding.readVarUint8Array(decoder));
  return found;
}

export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
