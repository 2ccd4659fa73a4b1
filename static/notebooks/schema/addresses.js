/** Which addresses a document may hold. The document comes from other people's browsers: check on every render. */
const LINK_PROTOCOLS = ["http:", "https:", "mailto:"];
const MAIL = /^[^\s@/:]+@[^\s@/:]+\.[^\s@/:]+$/;
const SCHEME = /^[a-z][a-z0-9+.-]*:(?!\d)/i; // "example.com:8080" has a port, not a scheme
const IMAGE = /^\/n\/[0-9a-f-]{36}\/images\/[0-9a-f-]{36}\/$/;

/** Return the full address of what a person typed, or null where it is none that we open. */
export function linkAddress(typed) {
  const text = String(typed ?? "").trim();
  if (!text || /\s/.test(text)) return null;
  if (MAIL.test(text)) return `mailto:${text}`;
  if (/^\/(?!\/)/.test(text)) return new URL(text, location.origin).href;
  const full = SCHEME.test(text) ? text : `https://${text}`;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  return LINK_PROTOCOLS.includes(url.protocol) ? url.href : null;
}

/** Return the path of a picture of ours, or null: nothing is ever loaded from elsewhere. */
export function imagePath(src) {
  if (typeof src !== "string" || !URL.canParse(src, location.href)) return null;
  const url = new URL(src, location.href);
  return url.origin === location.origin && IMAGE.test(url.pathname) ? url.pathname : null;
}
