/**
 * On every page: signing out wipes the notebooks from this device, and so does somebody else signing in.
 *
 * The page tells who is signed in (data-user on <html>) and how to warn (data-unsent on <body>).
 */
import { unsentChanges, wipeAll } from "./sync/wipe.js";

const LAST = "last-user";
const PATIENCE_MS = 3_000;

const user = document.documentElement.dataset.user ?? "";

if (user && localStorage.getItem(LAST) !== user) {
  if (localStorage.getItem(LAST)) wipeAll({ exceptOf: user });
  localStorage.setItem(LAST, user);
}

async function signOut(form) {
  const unsent = await unsentChanges();
  const warning = document.body.dataset.unsent;
  if (unsent && warning && !confirm(warning)) return;
  localStorage.removeItem(LAST);
  await Promise.race([wipeAll(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  form.submit();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (new URL(form.action, location.href).pathname !== "/accounts/logout/") return;
  event.preventDefault();
  signOut(form);
});
