/** The few requests that the editor makes itself: a title, a picture. */

/** A request that the server refused; the message is the server's, for the person. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Whether the server was not reached, or its answer did not arrive: fetch says so with a TypeError. */
export function isUnreached(error) {
  return error instanceof TypeError;
}

/** Return Django's token from its cookie: a page out of the offline store carries an older one. */
function csrfToken() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
  if (found) return found.slice("csrftoken=".length);
  return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"] ?? "";
}

function reasonIn(text) {
  try {
    return String(JSON.parse(text).error ?? "");
  } catch {
    return "";
  }
}

/** Post form fields and return the JSON answer. */
export async function postForm(url, fields) {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: new URLSearchParams(fields) });
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, reasonIn(text));
  return text ? JSON.parse(text) : {};
}

/** Post one file as `file`, telling how much of it (0 to 1) is sent; return the JSON answer. */
export function postFile(url, file, onProgress) {
  const body = new FormData();
  body.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(new Refused(request.status, reasonIn(request.responseText)));
    });
    request.addEventListener("error", () => reject(new Refused(0, "")));
    request.send(body);
  });
}
