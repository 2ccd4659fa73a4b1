/**
 * Read the page before it is drawn anew. A click or an arrow key moves the caret at once, but the browser tells of it a
 * moment later. Whatever draws in between - letters of the others, their carets - would put the caret back to where it
 * was, and the next letter would land there.
 */
export function readPage(view) {
  const { domObserver } = view;
  if (domObserver.pendingRecords().length) setTimeout(() => view.isDestroyed || domObserver.flush());
  else domObserver.flush();
}
