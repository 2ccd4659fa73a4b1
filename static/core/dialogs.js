/**
 * Dialogs: [data-dialog="id"] opens the <dialog> of that id, [data-dialog-close] inside closes it.
 * A click on the backdrop closes too. Questions of htmx (hx-confirm) and of plain forms
 * (<form data-confirm="…">) use the dialog #confirm of the shell instead of the browser's own.
 */
function open(dialog) {
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
}

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.dialog);
    if (dialog) {
      event.preventDefault();
      open(dialog);
    }
    event.target.closest?.("[data-dialog-close]")?.closest("dialog")?.close();
    if (event.target.matches?.("dialog.dialog[open]") && outside(event)) event.target.close();
  });
  for (const dialog of document.querySelectorAll("dialog[data-open]")) open(dialog);
}

function outside(event) {
  const box = event.target.getBoundingClientRect();
  const inside =
    event.clientX >= box.left &&
    event.clientX <= box.right &&
    event.clientY >= box.top &&
    event.clientY <= box.bottom;
  // A key press on a button inside reports 0,0: that is no click on the backdrop.
  return !inside && event.detail > 0;
}

/** Ask in the shell's dialog; resolve to whether the person agreed. */
export function ask(question, action) {
  const dialog = document.getElementById("confirm");
  if (!dialog) return Promise.resolve(window.confirm(question));
  const yes = dialog.querySelector("[data-confirm-yes]");
  dialog.querySelector("[data-confirm-question]").textContent = question;
  yes.textContent = action || yes.dataset.label;
  dialog.returnValue = "";
  open(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** A form that a newer state of the page replaced while the question stood would submit nothing. */
function keepInPage(form) {
  if (form.isConnected) return;
  form.hidden = true;
  document.body.append(form);
}

export function startConfirmations() {
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
      if (!question || form.hasAttribute("hx-confirm") || form.dataset.confirmed) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const { submitter } = event;
      ask(question, submitter?.dataset.confirmAction ?? form.dataset.confirmAction).then((agreed) => {
        if (!agreed) return;
        keepInPage(form);
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter);
        delete form.dataset.confirmed;
      });
    },
    true,
  );
  document.addEventListener("htmx:confirm", (event) => {
    const { question, elt } = event.detail;
    if (!question) return;
    event.preventDefault();
    ask(question, elt.dataset.confirmAction).then((agreed) => agreed && event.detail.issueRequest(true));
  });
}
