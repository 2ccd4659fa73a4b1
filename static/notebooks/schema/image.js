/**
 * Pictures: `src` (a path of ours), `alt`, `width`, `height` in pixels, so that the space is there before the picture.
 * A picture from elsewhere is never loaded, whoever wrote it into the document.
 */
import { Node } from "@tiptap/core";
import { imagePath } from "./addresses.js";

function pixels(value) {
  const number = Number.parseInt(value, 10);
  return number > 0 && number < 100_000 ? number : null;
}

export const Image = Node.create({
  name: "image",
  group: "block",
  atom: true,
  draggable: true,

  addAttributes() {
    return {
      src: { default: null },
      alt: { default: "" },
      width: { default: null },
      height: { default: null },
    };
  },

  parseHTML() {
    return [
      {
        tag: "img[src]",
        getAttrs: (dom) => {
          const src = imagePath(dom.getAttribute("src"));
          if (!src) return false;
          return {
            src,
            alt: dom.getAttribute("alt") ?? "",
            width: pixels(dom.getAttribute("width")),
            height: pixels(dom.getAttribute("height")),
          };
        },
      },
    ];
  },

  renderHTML({ node }) {
    const { src, alt, width, height } = node.attrs;
    const path = imagePath(src);
    if (!path) return ["span", { class: "picture-missing", role: "img", "aria-label": String(alt ?? "") }];
    return ["img", { src: path, alt: String(alt ?? ""), width: pixels(width), height: pixels(height) }];
  },
});
