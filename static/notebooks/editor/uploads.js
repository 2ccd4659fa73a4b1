/**
 * Pictures on their way: chosen, pasted or dropped, shown at their place with what has been sent so far. Only when the
 * server has taken a picture does it enter the document; until then it exists on this page alone.
 */
import { Extension } from "@tiptap/core";
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { Decoration, DecorationSet } from "@tiptap/pm/view";
import { anchorAt, positionOf } from "./anchors.js";
import { element, iconButton } from "./elements.js";
import { readPage } from "./reading.js";
import { postFile, Refused } from "./requests.js";
import { say } from "./words.js";

const KEY = new PluginKey("uploads");
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const ELSEWHERE = /<img\b[^>]*\bsrc=["']?(?:https?:)?\/\//i;

/** Return where a picture goes: after the block at a position, so that it never cuts a paragraph in two. */
function after(doc, pos) {
  const $pos = doc.resolve(Math.min(pos, doc.content.size));
  return $pos.depth ? $pos.after(1) : $pos.pos;
}

class Upload {
  constructor(file, anchor) {
    this.file = file;
    this.anchor = anchor;
    this.preview = URL.createObjectURL(file);
    this.bar = element("progress", {
      max: 1,
      value: 0,
      "aria-label": say("upload_progress", { name: file.name }),
    });
    this.words = element("p", { class: "upload-words", role: "status" }, say("upload_sending"));
    const shown = element("img", { src: this.preview, alt: "" });
    this.dom = element("div", { class: "upload", contenteditable: "false" }, shown, this.bar, this.words);
  }

  fail(reason, again, drop) {
    this.bar.hidden = true;
    this.dom.classList.add("upload-failed");
    const retry = element(
      "button",
      { type: "button", class: "btn btn-sm", on: { click: again } },
      say("try_again"),
    );
    this.words.replaceChildren(reason, " ", retry, iconButton("x", say("upload_drop"), drop));
  }

  restart() {
    this.bar.hidden = false;
    this.dom.classList.remove("upload-failed");
    this.words.replaceChildren(say("upload_sending"));
  }
}

class Uploads {
  #running = new Set();

  constructor(editor, url, note) {
    this.editor = editor;
    this.url = url;
    this.note = note;
  }

  get count() {
    return this.#running.size;
  }

  /** Take the pictures among some files; say what was left out. */
  take(files, pos) {
    const pictures = [...files].filter((file) => TYPES.includes(file.type));
    if (pictures.length < files.length) this.note(say("upload_type"), "warning");
    for (const file of pictures) this.#begin(file, pos);
    return pictures.length > 0;
  }

  #begin(file, pos) {
    const { state } = this.editor;
    const upload = new Upload(file, anchorAt(state, after(state.doc, pos)));
    this.#running.add(upload);
    this.#redraw();
    this.#send(upload);
  }

  async #send(upload) {
    try {
      const sent = await postFile(this.url, upload.file, (share) => {
        upload.bar.value = share;
      });
      this.#insert(upload, sent);
    } catch (error) {
      const reason = error instanceof Refused && error.message ? error.message : say("upload_failed");
      upload.fail(
        reason,
        () => this.#again(upload),
        () => this.#forget(upload),
      );
    }
  }

  #again(upload) {
    upload.restart();
    this.#send(upload);
  }

  #insert(upload, { url, width, height }) {
    if (this.editor.isDestroyed) return;
    readPage(this.editor.view);
    const { state, view } = this.editor;
    const pos = positionOf(state, upload.anchor) ?? state.doc.content.size;
    this.#running.delete(upload);
    URL.revokeObjectURL(upload.preview);
    const at = after(state.doc, pos);
    const before = state.doc.resolve(at).nodeBefore;
    const isOpen = before?.type.name === "paragraph" && !before.content.size; // the line it was asked for in
    const image = state.schema.nodes.image.create({ src: url, alt: "", width, height });
    const tr = state.tr.replaceWith(isOpen ? at - before.nodeSize : at, at, image);
    view.dispatch(tr.setMeta(KEY, true));
  }

  #forget(upload) {
    URL.revokeObjectURL(upload.preview);
    this.#running.delete(upload);
    this.#redraw();
    this.editor.commands.focus();
  }

  #redraw() {
    readPage(this.editor.view);
    this.editor.view.dispatch(this.editor.state.tr.setMeta(KEY, true));
  }

  decorations(state) {
    const widgets = [...this.#running].map((upload) => {
      const pos = positionOf(state, upload.anchor) ?? state.doc.content.size;
      const stays = { side: -1, key: upload.preview, stopEvent: () => true, ignoreSelection: true };
      return Decoration.widget(Math.min(pos, state.doc.content.size), upload.dom, stays);
    });
    return widgets.length ? DecorationSet.create(state.doc, widgets) : null;
  }
}

/** Open the file chooser and hand on what was chosen; the field is on the page until then, or it may be collected. */
function choose(take) {
  const input = element("input", { type: "file", accept: TYPES.join(","), multiple: true, hidden: true });
  input.addEventListener("change", () => take([...input.files]));
  for (const end of ["change", "cancel"]) input.addEventListener(end, () => input.remove());
  document.body.append(input);
  input.click();
}

function filesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

/** Say whether the clipboard's HTML is more than the one picture that its files hold already. */
function isText(transfer) {
  const html = transfer.getData("text/html");
  return Boolean(html && new DOMParser().parseFromString(html, "text/html").body.textContent.trim());
}

export const Uploading = Extension.create({
  name: "uploads",

  addOptions() {
    return { url: "", note: () => {} };
  },

  addStorage() {
    return { uploads: null };
  },

  addCommands() {
    const take = (files) => this.storage.uploads.take(files, this.editor.state.selection.from);
    return {
      pickImages: () => () => {
        choose(take);
        return true;
      },
    };
  },

  addProseMirrorPlugins() {
    const uploads = new Uploads(this.editor, this.options.url, this.options.note);
    const { note } = this.options;
    this.storage.uploads = uploads;
    return [
      new Plugin({
        key: KEY,
        props: {
          decorations: (state) => uploads.decorations(state),
          handlePaste: (view, event) => {
            const files = filesOf(event.clipboardData);
            if (files.length && !isText(event.clipboardData))
              return uploads.take(files, view.state.selection.from);
            if (ELSEWHERE.test(event.clipboardData?.getData("text/html") ?? ""))
              note(say("pictures_left_out"), "info");
            return false;
          },
          handleDrop: (view, event, _slice, moved) => {
            const files = moved ? [] : filesOf(event.dataTransfer);
            if (!files.length) return false;
            event.preventDefault();
            const found = view.posAtCoords({ left: event.clientX, top: event.clientY });
            return uploads.take(files, found?.pos ?? view.state.doc.content.size);
          },
        },
      }),
    ];
  },
});
