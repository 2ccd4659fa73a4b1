/**
 * Copy to the clipboard: <button data-copy="#id" data-copied="words"> copies the value or the text of #id,
 * <button data-copy-text="…"> the text itself.
 */
import { toast } from "./toasts.js";

function textOf(source) {
  if ("value" in source && source.matches("input, textarea")) return source.value;
  const items = source.querySelectorAll("li");
  return items.length
    ? [...items].map((item) => item.textContent.trim()).join("\n")
    : source.textContent.trim();
}

export function startCopy() {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-copy], [data-copy-text]");
    if (!button) return;
    const source = button.dataset.copy && document.querySelector(button.dataset.copy);
    const text = source ? textOf(source) : button.dataset.copyText;
    try {
      await navigator.clipboard.writeText(text);
      toast(button.dataset.copied ?? text, "success");
    } catch {
      // Without https the clipboard is closed: select the text, so that Ctrl-C is one key away.
      if (source) getSelection().selectAllChildren(source);
    }
  });
}
