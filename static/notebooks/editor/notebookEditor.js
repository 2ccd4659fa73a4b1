/**
 * <notebook-editor>: the one island of the page. It opens the session, puts the editor on it and keeps the page around
 * it true: saved state, people, title, notices. Taken out of the page it leaves nothing behind, no presence either.
 */
import { Editor } from "@tiptap/core";
import { toast } from "../../core/toasts.js";
import { ChainPage } from "../chain/page.js";
import { ChainStore } from "../chain/store.js";
import { Verdicts } from "../chain/verdicts.js";
import { SCHEMA_VERSION } from "../schema/index.js";
import { NotKept } from "../sync/copies.js";
import { Session } from "../sync/session.js";
import { person } from "./carets.js";
import { Downloads } from "./downloaded.js";
import { useSprite } from "./elements.js";
import { extensions } from "./extensions.js";
import { Notices } from "./notices.js";
import { Presence } from "./presence.js";
import { SaveState } from "./saveState.js";
import { Title } from "./title.js";
import { say, useWords } from "./words.js";

const EDIT = 40; // apps.organizations.policy.Level.EDIT
const SLOW_MS = 4000;

function pageData() {
  return JSON.parse(document.getElementById("notebook-data").textContent);
}

class NotebookEditor extends HTMLElement {
  #parts = [];
  #stop = null;

  connectedCallback() {
    this.page = pageData();
    useWords(this.page.words);
    useSprite(this.page.icons);
    this.#stop = new AbortController();
    this.#open();
  }

  disconnectedCallback() {
    this.#close();
  }

  async #open() {
    const { notebook, user, level, urls } = this.page;
    this.level = level;
    this.trashed = this.page.trashed;
    this.session = new Session({ notebookId: notebook.id, user, schemaVersion: SCHEMA_VERSION, level, urls });
    this.notices = new Notices(this.querySelector("[data-notices]"));
    this.#startPage();
    this.#listen();
    const slow = setTimeout(() => this.notices.show("slow"), SLOW_MS);
    try {
      await this.session.open();
    } finally {
      clearTimeout(slow);
    }
    this.notices.hide("slow");
    if (this.isConnected && !this.gone) this.#startEditor();
  }

  #startPage() {
    this.saveState = new SaveState(document.querySelector("[data-save-state]"));
    const leave = () => this.editor?.commands.focus("start");
    const title = this.querySelector("textarea[data-title]");
    if (title) this.heading = new Title(title, { url: this.page.urls.rename, leave, note: toast });
    const presence = document.querySelector("[data-presence]");
    this.presence = new Presence(presence, this.session.awareness, (client) => this.#goTo(client));
    this.#parts.push(this.presence);
    if (this.heading) this.#parts.push(this.heading);
  }

  #startEditor() {
    const { session, page } = this;
    const mount = this.querySelector("[data-document]");
    const store = new ChainStore({
      session,
      url: page.urls.chain,
      notebookId: page.notebook.id,
      ai: page.ai,
      note: toast,
    });
    const attributes = {
      class: "document",
      role: "textbox",
      "aria-multiline": "true",
      "aria-label": say("document"),
    };
    this.editor = new Editor({
      element: mount,
      injectCSS: false,
      editable: this.mayEdit,
      extensions: extensions({
        session,
        store,
        user: page.user,
        urls: page.urls,
        box: () => this.box,
        note: toast,
      }),
      editorProps: { attributes: { ...attributes, spellcheck: "true" } },
      onUpdate: () => this.outline?.changed(),
    });
    this.querySelector("[data-skeleton]")?.remove();
    this.classList.add("ready");
    const goTo = (cell) => document.getElementById(`cell-${cell}`)?.scrollIntoView({ block: "center" });
    const chain = { store, url: page.urls.chain, root: this, editor: this.editor, goTo };
    const verdicts = new Verdicts({ store, url: page.urls.chain, root: this, box: this.box, note: toast });
    this.downloads = new Downloads({ session, user: page.user.id, url: page.urls.downloaded });
    this.#parts.push(store, new ChainPage(chain), verdicts, this.downloads);
    this.#showLevel();
    this.#showState();
    this.#startFoot();
    this.#addExtras().catch(() => {}); // offline and never fetched before: the text can be written all the same
    if (this.mayEdit && this.editor.isEmpty && !this.page.notebook.title) this.heading?.field.focus();
    this.dispatchEvent(new CustomEvent("notebook:ready", { bubbles: true, detail: { editor: this.editor } }));
  }

  /** Fetch what the page can do without at first. */
  async #addExtras() {
    const extras = await import(this.page.scripts.extras);
    if (this.editor.isDestroyed) return;
    extras.useWords(this.page.words);
    extras.useSprite(this.page.icons);
    const toggle = document.querySelector("[aria-controls=outline]");
    this.outline = new extras.Outline(document.getElementById("outline"), toggle, this.editor);
    const endShortcuts = extras.startShortcuts(document.getElementById("shortcuts"));
    this.#parts.push(this.outline, { destroy: endShortcuts });
    this.extras = extras;
  }

  get box() {
    return this.querySelector("[data-box]");
  }

  get mayEdit() {
    return this.level >= EDIT && !this.trashed && !this.ended;
  }

  /** A click below the text goes on writing there. */
  #startFoot() {
    const foot = this.querySelector("[data-foot]");
    const press = () => {
      if (!this.editor.isEditable) return;
      const { doc } = this.editor.state;
      const last = doc.lastChild;
      const isOpen = last?.type.name === "paragraph" && !last.content.size;
      const chain = this.editor.chain();
      if (!isOpen) chain.insertContentAt(doc.content.size, { type: "paragraph" });
      chain.focus("end").run();
      this.editor.view.focus(); // the command waits for a frame, and a quick first key would be lost
    };
    foot.addEventListener("click", press, { signal: this.#stop.signal });
  }

  #listen() {
    const { signal } = this.#stop;
    const hear = (name, answer) => this.session.addEventListener(name, answer, { signal });
    hear("state", () => this.#showState());
    hear("level", ({ detail }) => this.#setLevel(detail));
    hear("gone", () => this.#gone());
    hear("forked", ({ detail }) => this.#ended("forked", { url: detail.url }));
    hear("unkeepable", () => this.#ended("unkeepable"));
    hear("reload", () => this.#ended("outdated"));
    hear("signedout", ({ detail }) => this.#ended(detail.pending ? "signedout" : "signedout_saved"));
    hear("event", ({ detail }) => this.#onEvent(detail));
    document.addEventListener("click", (event) => this.#onAction(event), { signal });
    window.addEventListener("beforeunload", (event) => this.#beforeLeaving(event), { signal });
  }

  #onEvent(event) {
    if (event.type === "notebook.renamed") this.#renamed(event.title);
  }

  #renamed(title) {
    this.page.notebook.title = title;
    if (this.heading) this.heading.receive(title);
    else this.querySelector("[data-title]").textContent = title || say("untitled");
  }

  #setLevel({ level, trashed }) {
    this.level = level;
    this.trashed = trashed;
    this.#showLevel();
  }

  /** This page can write no more: say why, and what to do. */
  #ended(notice, more) {
    this.ended = true;
    this.notices.show(notice, more);
    this.#showLevel();
  }

  #showState() {
    const { state } = this.session;
    if (!this.editor && state.kind === "saving") return; // nothing is there yet that could be saved
    this.saveState.show(state);
    this.notices.toggle("refused", state.kind === "refused" && !this.ended);
    this.notices.toggle("unkept", state.kind === "offline" && state.kept === false);
  }

  #showLevel() {
    const reading = this.level < EDIT && !this.trashed;
    this.notices.toggle("reading", reading);
    this.notices.toggle("trashed", this.trashed);
    if (this.editor && this.editor.isEditable !== this.mayEdit) this.editor.setEditable(this.mayEdit, false);
    if (this.heading) this.heading.field.readOnly = !this.mayEdit;
    this.classList.toggle("reading", !this.mayEdit);
  }

  /** The right was withdrawn: nothing of the notebook stays on this page. */
  #gone() {
    this.gone = true;
    this.#close();
    const farewell = document.getElementById("notebook-gone").content.cloneNode(true);
    this.replaceWith(farewell); // before the rest goes: the editor is marked as a part of the notebook, too
    for (const part of document.querySelectorAll("[data-of-notebook]")) part.remove();
    for (const crumb of document.querySelectorAll(".crumbs [aria-current]")) crumb.closest("li").remove();
    document.title = say("gone_title");
    document.querySelector("[data-farewell]")?.focus();
  }

  #onAction(event) {
    const action = event.target.closest?.("[data-notebook-action]")?.dataset.notebookAction;
    if (action === "reload") location.reload();
    if (action === "fork") this.#fork();
    if (action === "markdown" || action === "text") this.#download(action);
  }

  #download(kind) {
    if (!this.extras) return;
    const { asMarkdown, asText, save } = this.extras;
    const title = this.heading?.field.value.trim() || this.page.notebook.title || say("untitled");
    if (kind === "markdown") save(`${title}.md`, asMarkdown(title, this.editor.getJSON()), "text/markdown");
    else save(`${title}.txt`, asText(title, this.editor.state.doc), "text/plain");
    this.downloads.note();
  }

  /** Make a notebook of one's own of what is on the screen; its address comes as an event. */
  async #fork() {
    try {
      await this.session.fork();
    } catch (error) {
      if (error.isFinal) this.notices.show("unkeepable");
      else toast((error instanceof NotKept && error.message) || say("fork_failed"), "error");
    }
  }

  /** Warn only for what would be lost: pictures on their way. Changes of the text are kept on this device. */
  #beforeLeaving(event) {
    if (this.editor?.storage.uploads?.uploads?.count) event.preventDefault();
  }

  /** Scroll to where somebody writes. */
  #goTo(client) {
    const caret = this.querySelector(`.caret[data-client="${client}"]`);
    if (caret) return caret.scrollIntoView({ block: "center", behavior: "smooth" });
    const { name } = person(this.session.awareness.getStates().get(client));
    toast(say("presence_reading", { name }));
  }

  #close() {
    this.#stop?.abort();
    for (const part of this.#parts.splice(0)) part.destroy();
    this.editor?.destroy();
    this.session?.destroy();
  }
}

customElements.define("notebook-editor", NotebookEditor);
