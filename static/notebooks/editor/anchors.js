/** Places in the text that stay right while others write: between positions here and in the shared document. */
import {
  absolutePositionToRelativePosition,
  relativePositionToAbsolutePosition,
  ySyncPluginKey,
} from "@tiptap/y-tiptap";
import { compareRelativePositions, createRelativePositionFromJSON } from "yjs";

/** Return the anchor of a position; null while the document is not bound yet. */
export function anchorAt(state, pos) {
  const { type, binding } = ySyncPluginKey.getState(state) ?? {};
  return binding ? absolutePositionToRelativePosition(pos, type, binding.mapping) : null;
}

/** Return where an anchor is now; null where its surroundings are gone or not here yet. */
export function positionOf(state, anchor) {
  const { doc, type, binding } = ySyncPluginKey.getState(state) ?? {};
  if (!binding?.mapping.size || !anchor) return null;
  const pos = relativePositionToAbsolutePosition(
    doc,
    type,
    createRelativePositionFromJSON(anchor),
    binding.mapping,
  );
  return pos === null ? null : Math.min(pos, state.doc.content.size);
}

export function sameAnchor(one, other) {
  return compareRelativePositions(createRelativePositionFromJSON(one), createRelativePositionFromJSON(other));
}
