/** Make elements without markup in strings: what people wrote is only ever text. */
const SVG = "http://www.w3.org/2000/svg";
let sprite = "";

export function useSprite(url) {
  sprite = url;
}

export function icon(name, more = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${more}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** Return a new element; `on` holds listeners, null and false attributes are left out, true ones stand alone. */
export function element(tag, { on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children);
  return made;
}

/** Return a button that shows an icon; it leaves the focus and the selection where they are. */
export function iconButton(name, label, press, attributes = {}) {
  const keepFocus = (event) => event.preventDefault();
  const on = { mousedown: keepFocus, click: press };
  return element(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, on, ...attributes },
    icon(name),
  );
}
