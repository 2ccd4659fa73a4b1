/**
 * Short messages in the corner.
 *
 * Django's messages are rendered into #toasts by the server; an answer to htmx adds one with the header
 * HX-Trigger: {"toast": {"level": "success", "message": "…"}}; scripts call toast(). What went well leaves
 * by itself, what failed stays until it is closed.
 */
const LIFETIME_MS = { success: 5000, info: 7000, warning: 0, error: 0 };
const LEAVING_MS = 200;

function leave(note) {
  note.classList.add("leaving");
  setTimeout(() => note.remove(), LEAVING_MS);
}

/** Let a message leave after its time, but never while somebody points at it or stands in it. */
function live(note) {
  const time = LIFETIME_MS[note.dataset.level] ?? LIFETIME_MS.info;
  if (!time) return;
  const attempt = () => {
    if (note.matches(":hover, :focus-within")) setTimeout(attempt, time);
    else leave(note);
  };
  setTimeout(attempt, time);
}

/** Show a message; level is success, info, warning or error. */
export function toast(message, level = "info") {
  const template = document.getElementById("toast-template");
  const region = document.getElementById("toasts");
  if (!template || !region) return;
  const known = level in LIFETIME_MS ? level : "info";
  const note = template.content.querySelector(`[data-level="${known}"]`).cloneNode(true);
  note.querySelector("p").textContent = message;
  region.append(note);
  live(note);
}

/** Return the words of a message that several scripts have to say. */
export function words(name) {
  return document.getElementById("toast-template")?.dataset[name] ?? "";
}

export function startToasts() {
  for (const note of document.querySelectorAll("#toasts > .toast-note")) live(note);
  document.addEventListener("click", ({ target }) => {
    const note = target.closest?.("[data-toast-close]")?.closest(".toast-note");
    if (note) leave(note);
  });
  document.addEventListener("toast", ({ detail }) => toast(detail.message, detail.level));
}
