/**
 * Links. The only attribute is `href`; everything else about an <a> is ours, so that no document can say more.
 * Own code in place of TipTap's extension, whose autolink also rewrites what other people type.
 */
import { InputRule, Mark, markPasteRule } from "@tiptap/core";
import { Plugin } from "@tiptap/pm/state";
import { linkAddress } from "./addresses.js";

const TYPED = /(?:^|[\s(])((?:https?:\/\/|www\.)[^\s]*[^\s.,;:!?)\]'"])([.,;:!?)\]'"]*) $/;
const BEFORE_CURSOR = /(?:^|[\s(])((?:https?:\/\/|www\.)[^\s]*[^\s.,;:!?)\]'"])([.,;:!?)\]'"]*)$/;
const PASTED = /(?:https?:\/\/|www\.)[^\s<>"']*[^\s<>"'.,;:!?)\]]/g;
const MARKDOWN = /\[([^[\]]+)\]\((\S+)\)$/;

/** Mark a typed address as link when a space ends it. */
function addressRule(type) {
  return new InputRule({
    find: TYPED,
    handler: ({ state, range, match }) => {
      const href = linkAddress(match[1]);
      if (!href || type.isInSet(state.doc.resolve(range.to).marks())) return;
      const end = range.to - match[2].length;
      state.tr.addMark(end - match[1].length, end, type.create({ href })).insertText(" ", range.to);
      state.tr.removeStoredMark(type);
    },
  });
}

/** Turn [words](address) into a link. */
function markdownRule(type) {
  return new InputRule({
    find: MARKDOWN,
    handler: ({ state, range, match }) => {
      const href = linkAddress(match[2]);
      if (!href) return;
      state.tr.replaceWith(range.from, range.to, state.schema.text(match[1], [type.create({ href })]));
      state.tr.removeStoredMark(type);
    },
  });
}

/** Link the address before the cursor; Enter ends it as a space does, and goes on to break the line. */
function linkBeforeBreak(editor, type) {
  const { $from, empty } = editor.state.selection;
  if (!empty || $from.parent.type.spec.code) return false;
  const before = $from.parent.textBetween(0, $from.parentOffset, null, "\ufffc");
  const match = BEFORE_CURSOR.exec(before);
  const href = match && linkAddress(match[1]);
  if (!href || type.isInSet($from.marks())) return false;
  const end = $from.pos - match[2].length;
  editor.view.dispatch(editor.state.tr.addMark(end - match[1].length, end, type.create({ href })));
  return false;
}

export const Link = Mark.create({
  name: "link",
  priority: 1000,
  inclusive: false,
  keepOnSplit: false,

  addAttributes() {
    return { href: { default: null } };
  },

  parseHTML() {
    return [
      {
        tag: "a[href]",
        getAttrs: (dom) => {
          const href = linkAddress(dom.getAttribute("href"));
          return href ? { href } : false;
        },
      },
    ];
  },

  renderHTML({ mark }) {
    const href = linkAddress(mark.attrs.href);
    return href ? ["a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, 0] : ["span", 0];
  },

  addCommands() {
    return {
      setLink:
        (typed) =>
        ({ commands }) => {
          const href = linkAddress(typed);
          return href ? commands.setMark("link", { href }) : false;
        },
      unsetLink:
        () =>
        ({ commands }) =>
          commands.unsetMark("link", { extendEmptyMarkRange: true }),
    };
  },

  addKeyboardShortcuts() {
    return { Enter: () => linkBeforeBreak(this.editor, this.type) };
  },

  addInputRules() {
    return [addressRule(this.type), markdownRule(this.type)];
  },

  addPasteRules() {
    const getAttributes = (match) => {
      const href = linkAddress(match[0]);
      return href ? { href } : false;
    };
    return [markPasteRule({ find: PASTED, type: this.type, getAttributes })];
  },

  addProseMirrorPlugins() {
    const { editor, type } = this;
    const isLink = (text) => /^(https?:\/\/|mailto:|www\.)\S+$/i.test(text);
    return [
      new Plugin({
        props: {
          // An address pasted over chosen words links the words.
          handlePaste: (view, event) => {
            const text = event.clipboardData?.getData("text/plain").trim() ?? "";
            const { from, to, empty, $from } = view.state.selection;
            if (empty || !isLink(text) || $from.parent.type.spec.code) return false;
            const href = linkAddress(text);
            if (!href) return false;
            view.dispatch(view.state.tr.addMark(from, to, type.create({ href })));
            return true;
          },
          // In a text that can be edited a click puts the caret; with Ctrl or Cmd it follows the link.
          handleClick: (_view, _pos, event) => {
            const anchor = event.target.closest?.("a[href]");
            if (!anchor || !editor.isEditable || !(event.ctrlKey || event.metaKey)) return false;
            window.open(anchor.href, "_blank", "noopener,noreferrer");
            return true;
          },
        },
      }),
    ];
  },
});
