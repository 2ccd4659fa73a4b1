/** Where a notebook's socket, updates, copies and page are. */

const BASE = new URL(globalThis.location?.href ?? "http://localhost/");

export function defaultUrls(notebookId) {
  const socket = new URL(`/ws/notebooks/${notebookId}/`, BASE);
  socket.protocol = BASE.protocol === "https:" ? "wss:" : "ws:";
  const page = `/n/${notebookId}/`;
  return { socket: socket.href, updates: `${page}updates/`, fork: `${page}fork/`, page };
}
