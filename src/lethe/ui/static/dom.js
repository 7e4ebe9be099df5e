/** Builds elements; strings become text nodes, so nothing in the data is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: `on…` attributes are listeners, `true` an attribute without value, null and false leave it out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tells screen readers what has changed. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

/** Calls a function at most once a frame, with the latest arguments. */
export function everyFrame(action) {
  let waiting = null;
  return (...given) => {
    if (waiting === null)
      requestAnimationFrame(() => {
        const now = waiting;
        waiting = null;
        action(...now);
      });
    waiting = given;
  };
}

/** A labelled select: options are `[value, text]`. */
export function choice(label, options, value, onChange) {
  const select = h(
    "select",
    { onchange: (event) => onChange(event.target.value) },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  select.value = value;
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** A labelled checkbox. */
export function tick(label, checked, onChange) {
  return h(
    "label",
    { class: "tick" },
    h("input", { type: "checkbox", checked, onchange: (event) => onChange(event.target.checked) }),
    label,
  );
}
