// Small helpers around the document. Texts only ever become text.

export const $ = (id) => document.getElementById(id);

/** An element with properties, and with children that are elements or texts. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set a text, but only if it is another one: so that nothing is announced twice. */
export function text(id, value) {
  const where = $(id);
  if (where.textContent !== value) where.textContent = value;
}

/** Show an element with a text, or hide it where there is none. */
export function optional(id, value) {
  $(id).hidden = !value;
  text(id, value || "");
}

/**
 * Make a list show some items. Items that are as they were keep their elements, and so the focus
 * and the selection that may be in them.
 */
export function list(where, items, key, build) {
  const before = new Map([...where.children].map((child) => [child.dataset.key, child]));
  const after = items.map((item) => {
    const id = key(item);
    const content = JSON.stringify(item);
    const old = before.get(id);
    if (old && old.content === content) return old;
    const made = build(item);
    made.dataset.key = id;
    made.content = content;
    if (old && old.contains(document.activeElement)) {
      queueMicrotask(() => made.querySelector("button, a")?.focus());
    }
    return made;
  });
  if (after.length !== where.children.length || after.some((each, i) => each !== where.children[i])) {
    const focused = document.activeElement;
    where.replaceChildren(...after);
    if (where.contains(focused) && focused !== document.activeElement) focused.focus();
  }
}

/** A point in time that keeps being shown as so long ago. */
export function time(at, format) {
  const made = el("time", { dateTime: at, title: format.exactly(at) }, format.ago(at));
  made.className = "ago";
  return made;
}
