// Puts a region's new content in place, and leaves what the reader was doing alone: open details, focus, scrolling.

const key = (element, all) => element.id || [...all].indexOf(element);

export function replace(id, html) {
  const region = document.getElementById(id);
  if (!region || !region.hasAttribute("data-live")) return;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return "busy";

  const remember = (selector, state) => {
    const all = region.querySelectorAll(selector);
    return new Map([...all].map((element) => [key(element, all), state(element)]));
  };
  const open = remember("details", (details) => details.open);
  const scrolled = remember(".scroll, pre", (box) => [box.scrollLeft, box.scrollTop]);
  const focusable = "a, button, summary, [tabindex]";
  const focused = region.contains(document.activeElement)
    ? [...region.querySelectorAll(focusable)].indexOf(document.activeElement)
    : -1;

  region.innerHTML = html;

  const restore = (selector, states, apply) => {
    const all = region.querySelectorAll(selector);
    for (const element of all) {
      const state = states.get(key(element, all));
      if (state !== undefined) apply(element, state);
    }
  };
  restore("details", open, (details, was) => (details.open = was));
  restore(".scroll, pre", scrolled, (box, [left, top]) => box.scrollTo(left, top));
  if (focused >= 0) region.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}
