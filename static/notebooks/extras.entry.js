/**
 * What the page of a notebook can do without at first: outline, sheet of keys, downloads. The editor fetches it once the
 * text is there. It is a bundle of its own, so words and icons are handed to it again.
 */
export { asMarkdown, asText, save } from "./editor/download.js";
export { useSprite } from "./editor/elements.js";
export { Outline } from "./editor/outline.js";
export { startShortcuts } from "./editor/shortcuts.js";
export { useWords } from "./editor/words.js";
