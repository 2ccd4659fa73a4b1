/**
 * Places in the text that stay right while others write: between positions here and in the shared document.
 *
 * The text may have a shape that the shared document has not (schema/forgiving.js); there, and only there, places do
 * not translate. They are null then: a caret that is not shown is better than one that stops the drawing.
 */
import {
  absolutePositionToRelativePosition,
  relativePositionToAbsolutePosition,
  ySyncPluginKey,
} from "@tiptap/y-tiptap";
import {
  compareRelativePositions,
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromJSON,
  XmlText,
} from "yjs";

function safely(translate) {
  try {
    return translate();
  } catch {
    return null;
  }
}

/** Return the anchor of a position; null while the document is not bound yet. */
export function anchorAt(state, pos) {
  const { type, binding } = ySyncPluginKey.getState(state) ?? {};
  return binding ? safely(() => absolutePositionToRelativePosition(pos, type, binding.mapping)) : null;
}

/** Return where an anchor is in a document that is drawn of the shared one; null where its surroundings are gone. */
export function placeOf(doc, { type, mapping }, anchor) {
  const pos = safely(() => {
    const relative = createRelativePositionFromJSON(anchor);
    const spot = createAbsolutePositionFromRelativePosition(relative, type.doc);
    if (!spot || isMended(spot.type, type, mapping, doc)) return null;
    const found = relativePositionToAbsolutePosition(type.doc, type, relative, mapping);
    return found ?? (isAtVeryStart(type, spot) ? 1 : null);
  });
  return pos !== null && pos >= 0 && pos <= doc.content.size ? pos : null;
}

/** Whether the text has another shape than the shared document, from a spot up to the whole. */
function isMended(spot, whole, mapping, doc) {
  const sizeOf = (child) => (child instanceof XmlText ? child.length : mapping.get(child).nodeSize);
  for (let type = spot; type; type = type === whole ? null : type.parent) {
    if (type instanceof XmlText) continue;
    const size = type.toArray().reduce((sum, child) => sum + sizeOf(child), 0);
    if (size !== (type === whole ? doc : mapping.get(type)).content.size) return true;
  }
  return false;
}

/** The first letters of the document were deleted: y-tiptap mistrusts an anchor that so comes to stand at its start. */
function isAtVeryStart(whole, { type, index }) {
  return index === 0 && type === whole.get(0)?.get?.(0);
}

/** Return where an anchor is now; null where its surroundings are gone or not here yet. */
export function positionOf(state, anchor) {
  const { binding } = ySyncPluginKey.getState(state) ?? {};
  return binding?.mapping.size && anchor ? placeOf(state.doc, binding, anchor) : null;
}

export function sameAnchor(one, other) {
  return compareRelativePositions(createRelativePositionFromJSON(one), createRelativePositionFromJSON(other));
}
