/** Put floating things beside what they belong to, inside the editor's box, so that they scroll with the text. */
const GAP_PX = 8;
const EDGE_PX = 6;

function topbarBottom() {
  return document.querySelector(".topbar")?.getBoundingClientRect().bottom ?? 0;
}

/** Place `floating` (position: absolute in `box`) above or below a rectangle of the viewport. */
export function place(floating, box, rect, { above = false, align = "start" } = {}) {
  const frame = box.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = floating;
  const fitsAbove = rect.top - height - GAP_PX > topbarBottom();
  const fitsBelow = rect.bottom + height + GAP_PX < window.innerHeight;
  const goesAbove = above ? fitsAbove : !fitsBelow && fitsAbove;
  const top = goesAbove ? rect.top - height - GAP_PX : rect.bottom + GAP_PX;
  const wish = { start: rect.left, middle: (rect.left + rect.right - width) / 2, end: rect.right - width }[
    align
  ];
  const page = document.documentElement.clientWidth;
  const left = Math.max(EDGE_PX, Math.min(wish, page - width - EDGE_PX));
  floating.style.top = `${Math.round(top - frame.top)}px`;
  floating.style.left = `${Math.round(left - frame.left)}px`;
}

/** Return the rectangle around a range of the document. */
export function rangeRect(view, from, to) {
  const start = view.coordsAtPos(from, 1);
  const end = view.coordsAtPos(to, -1);
  const oneLine = Math.abs(start.top - end.top) < 4;
  const column = view.dom.getBoundingClientRect();
  const left = oneLine ? start.left : column.left;
  const right = oneLine ? end.right : column.right;
  return new DOMRect(left, start.top, Math.max(right - left, 1), end.bottom - start.top);
}
