/** The sheet of keys: `?` outside of text, Ctrl-/ anywhere. */
const IN_TEXT = "input, textarea, select, [contenteditable='true'], [contenteditable='']";

export function startShortcuts(dialog) {
  const stop = new AbortController();
  const onKey = (event) => {
    const asked = event.key === "?" && !event.target.closest?.(IN_TEXT) && !event.ctrlKey && !event.metaKey;
    const anywhere = event.key === "/" && (event.ctrlKey || event.metaKey);
    if (!asked && !anywhere) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };
  document.addEventListener("keydown", onKey, { signal: stop.signal });
  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const key of dialog.querySelectorAll("[data-mod]")) key.textContent = "⌘";
  }
  return () => stop.abort();
}
