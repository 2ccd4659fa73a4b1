/** The faces of the floating toolbar: when each is shown, where, and its buttons. */
import { getMarkRange } from "@tiptap/core";
import { CellSelection, isInTable, selectedRect } from "@tiptap/pm/tables";
import { linkAddress } from "../schema/addresses.js";
import { element, icon, iconButton } from "./elements.js";
import { turnable } from "./kinds.js";
import { rangeRect } from "./placing.js";
import { entry } from "./popMenu.js";
import { say } from "./words.js";

const MARKS = [
  ["bold", "bold", "toggleBold"],
  ["italic", "italic", "toggleItalic"],
  ["underline", "underline", "toggleUnderline"],
  ["strike", "strikethrough", "toggleStrike"],
  ["code", "code", "toggleCode"],
];

const line = () => element("span", { class: "bar-line", role: "separator" });

/** A select that turns the chosen blocks into another kind. */
function kindSelect(editor) {
  const options = turnable().map((kind) => element("option", { value: kind.id }, kind.label));
  const select = element("select", { class: "bar-select", "aria-label": say("turn_into") }, ...options);
  select.addEventListener("change", () => {
    const chosen = turnable().find((kind) => kind.id === select.value);
    chosen.run(editor.chain().focus()).run();
  });
  return select;
}

function addressForm(editor, bar, address, apply) {
  const input = element("input", { type: "text", inputmode: "url", class: "bar-input", value: address });
  input.setAttribute("aria-label", say("link_address"));
  input.setAttribute("placeholder", say("link_placeholder"));
  const words = element("span", { class: "bar-error", role: "alert" });
  const form = element(
    "form",
    { class: "bar-form" },
    input,
    words,
    iconButton("check", say("link_apply"), () => form.requestSubmit()),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const href = linkAddress(input.value);
    if (input.value.trim() && !href) {
      words.textContent = say("link_refused");
      return;
    }
    apply(editor.chain().focus(), href).run();
    bar.hide();
  });
  return [form];
}

const text = {
  id: "text",
  label: () => say("bar_text"),
  fits: (editor) => {
    const { selection, doc } = editor.state;
    if (selection.empty || selection instanceof CellSelection || selection.node) return false;
    if (selection.$from.parent.type.spec.code) return false;
    return Boolean(doc.textBetween(selection.from, selection.to, " ").trim());
  },
  rect: (editor) => rangeRect(editor.view, editor.state.selection.from, editor.state.selection.to),
  build: (editor, bar) => [
    kindSelect(editor),
    line(),
    ...MARKS.map(([name, shown, command]) =>
      iconButton(shown, say(`mark_${name}`), () => editor.chain().focus()[command]().run(), {
        "data-mark": name,
      }),
    ),
    line(),
    iconButton(
      "link",
      say("link"),
      () => {
        bar.show(text, "linkForm");
        bar.dom.querySelector("input").focus();
      },
      { "data-mark": "link" },
    ),
  ],
  update: (dom, editor) => {
    for (const button of dom.querySelectorAll("[data-mark]")) {
      button.setAttribute("aria-pressed", String(editor.isActive(button.dataset.mark)));
    }
    const select = dom.querySelector("select");
    const now = turnable().findLast((kind) => kind.active(editor));
    if (select) select.value = now?.id ?? "";
  },
  linkForm: (editor, bar) =>
    addressForm(editor, bar, editor.getAttributes("link").href ?? "", (chain, href) =>
      href ? chain.setLink(href) : chain.unsetLink(),
    ),
};

function linkRange(editor) {
  const { $from } = editor.state.selection;
  return getMarkRange($from, editor.schema.marks.link);
}

const link = {
  id: "link",
  label: () => say("bar_link"),
  fits: (editor) => editor.state.selection.empty && Boolean(linkRange(editor)),
  rect: (editor) => {
    const { from, to } = linkRange(editor);
    return rangeRect(editor.view, from, to);
  },
  build: (editor, bar) => {
    const href = linkAddress(editor.getAttributes("link").href) ?? "";
    const shown = { class: "bar-address", target: "_blank", rel: "noopener noreferrer nofollow" };
    const follow = element(
      "a",
      { ...shown, href: href || null },
      icon("external-link"),
      href.replace(/^https?:\/\//, ""),
    );
    const edit = () => {
      bar.show(link, "form");
      bar.dom.querySelector("input").focus();
    };
    const clear = () => editor.chain().focus().extendMarkRange("link").unsetLink().run();
    return [
      follow,
      line(),
      iconButton("pencil", say("link_change"), edit),
      iconButton("unlink", say("link_remove"), clear),
    ];
  },
  form: (editor, bar) =>
    addressForm(editor, bar, editor.getAttributes("link").href ?? "", (chain, href) => {
      const whole = chain.extendMarkRange("link");
      return href ? whole.setLink(href) : whole.unsetLink();
    }),
  update: (dom, editor) => {
    const follow = dom.querySelector("a");
    const href = linkAddress(editor.getAttributes("link").href);
    if (follow && href && follow.href !== href) {
      follow.href = href;
      follow.lastChild.textContent = href.replace(/^https?:\/\//, "");
    }
  },
};

const image = {
  id: "image",
  label: () => say("bar_image"),
  fits: (editor) => editor.state.selection.node?.type.name === "image",
  rect: (editor) => editor.view.nodeDOM(editor.state.selection.from).getBoundingClientRect(),
  build: (editor) => {
    const { alt } = editor.state.selection.node.attrs;
    const shown = { type: "text", class: "bar-input", value: alt, placeholder: say("alt_placeholder") };
    const input = element("input", { ...shown, "aria-label": say("alt_label"), maxlength: 500 });
    const keep = () => {
      const { node } = editor.state.selection;
      if (node?.type.name === "image" && node.attrs.alt !== input.value) {
        editor.commands.updateAttributes("image", { alt: input.value });
      }
    };
    input.addEventListener("change", keep);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      keep();
      editor.commands.focus();
    });
    return [
      input,
      line(),
      iconButton("trash-2", say("image_remove"), () => editor.chain().focus().deleteSelection().run()),
    ];
  },
  update: (dom, editor) => {
    const input = dom.querySelector("input");
    if (input && input !== document.activeElement) input.value = editor.state.selection.node.attrs.alt;
  },
};

const TABLE = [
  ["row_above", "arrow-up", "addRowBefore"],
  ["row_below", "arrow-down", "addRowAfter"],
  ["column_before", "arrow-left", "addColumnBefore"],
  ["column_after", "arrow-right", "addColumnAfter"],
  null,
  ["header_row", "type", "toggleHeaderRow"],
  ["cells_merge", "table", "mergeOrSplit"],
  null,
  ["row_remove", "rows-3", "deleteRow"],
  ["column_remove", "columns-3", "deleteColumn"],
  ["table_remove", "trash-2", "deleteTable"],
];

function tableEntries(editor) {
  const can = editor.can();
  return TABLE.map((one) => {
    if (!one) return null;
    const [id, shown, command] = one;
    const run = () => editor.chain().focus()[command]().run();
    const more = id.endsWith("_remove") ? "menu-danger" : "";
    return entry(shown, say(id), run, { more, disabled: !can[command]() });
  });
}

// One button only: whoever writes in a table should see the line above it.
const table = {
  id: "table",
  align: "end",
  label: () => say("bar_table"),
  fits: (editor) => isInTable(editor.state),
  rect: (editor) => {
    const { tableStart } = selectedRect(editor.state);
    return editor.view.nodeDOM(tableStart - 1).getBoundingClientRect();
  },
  build: (editor, bar) => {
    const back = (chosen) => !chosen && editor.commands.focus();
    const press = () => bar.menu.open(button, say("bar_table"), tableEntries(editor), back);
    const button = iconButton("table", say("bar_table"), press, {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    return [button];
  },
};

export const faces = [image, text, link, table];
