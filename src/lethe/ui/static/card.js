/** A view: a heading, its controls, what it shows, and the ways to link to it, to save it, and to read it as a table. */

import { announce, h } from "lethe/dom.js";
import { csv, download, json, png, standalone, together } from "lethe/save.js";
import { href, watch } from "lethe/state.js";

/**
 * Makes a view.
 *   name: its place in links;  title, caption: words;  controls(): elements above it;
 *   draw(width): what is shown;  data(): `{columns, rows}` of it;  picture(): `{text, width, height}` where it is no SVG;
 *   keys: of the state, after whose change it is drawn again;  plain: true where there is nothing to draw but a table.
 */
export function card({
  name,
  title,
  caption = "",
  controls = () => [],
  draw,
  data,
  picture = null,
  keys = [],
  plain = false,
  level = "h2",
}) {
  const body = h("div", { class: "body" });
  const bar = h("div", { class: "controls" }, controls());
  const link = h(
    "a",
    { class: "button quiet-button", href: href({ at: name }), "aria-label": `Link to ${title}` },
    "Link",
  );
  const element = h(
    "section",
    { class: `card card-${name}`, id: `view-${name}`, "aria-labelledby": `title-${name}`, tabindex: "-1" },
    h(
      "div",
      { class: "card-head" },
      h(level, { id: `title-${name}` }, title),
      h("div", { class: "card-tools" }, link, saving(name, title, body, data, plain, picture)),
    ),
    caption && h("p", { class: "quiet" }, caption),
    bar,
    body,
    !plain && table(title, data),
  );
  let width = 0;
  const redraw = () => {
    if (!body.clientWidth) return;
    width = body.clientWidth;
    const made = draw(width);
    // What is there already stays there, and so does the focus in it.
    if (made !== body.firstChild) body.replaceChildren(made);
  };
  const changed = () => {
    // Another view may have changed what these controls show; the one that is being used is right already.
    if (!bar.contains(document.activeElement)) bar.replaceChildren(...controls());
    redraw();
  };
  const sizes = new ResizeObserver(() => {
    if (body.clientWidth !== width) redraw();
  });
  sizes.observe(body);
  const point = () => link.setAttribute("href", href({ at: name }));
  const stops = [watch(keys, changed), watch(["*"], point), () => sizes.disconnect()];
  link.addEventListener("click", () => copy(link.href));
  return { element, redraw, body, close: () => stops.forEach((stop) => stop()) };
}

async function copy(address) {
  try {
    await navigator.clipboard.writeText(address);
    announce("The link is in the clipboard and in the address bar");
  } catch {
    announce("The link is in the address bar");
  }
}

function saving(name, title, body, data, plain, picture) {
  const image = () => {
    if (picture) return picture();
    const whole = together([...body.querySelectorAll("svg[data-drawing]")]);
    return {
      text: standalone(whole),
      width: Number(whole.getAttribute("width")),
      height: Number(whole.getAttribute("height")),
    };
  };
  const kinds = {
    SVG: async () => download(`${name}.svg`, (await image()).text, "image/svg+xml"),
    PNG: async () => {
      const made = await image();
      download(`${name}.png`, await png(made.text, made.width, made.height), "image/png");
    },
    CSV: () => download(`${name}.csv`, csv(data()), "text/csv"),
    JSON: () => download(`${name}.json`, json(data()), "application/json"),
  };
  return h(
    "span",
    { class: "saving", role: "group", "aria-label": `Save ${title}` },
    Object.entries(kinds)
      .filter(([kind]) => !plain || kind === "CSV" || kind === "JSON")
      .map(([kind, action]) =>
        h(
          "button",
          {
            type: "button",
            class: "quiet-button",
            "aria-label": `Save ${title} as ${kind}`,
            onclick: () =>
              Promise.resolve(action()).then(
                () => announce(`Saved ${name}.${kind.toLowerCase()}`),
                (error) => announce(error.message),
              ),
          },
          kind,
        ),
      ),
  );
}

const MOST = 500;

/** The numbers of a drawing for those who do not see it; made when opened. */
function table(title, data) {
  const place = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: numbers` });
  return h(
    "details",
    {
      class: "numbers",
      ontoggle: (event) => {
        if (event.target.open) place.replaceChildren(...filled(data()));
      },
    },
    h("summary", {}, "Numbers"),
    place,
  );
}

function filled({ columns, rows }) {
  return [
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((column) => h("th", { scope: "col" }, column)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.slice(0, MOST).map((row) =>
          h(
            "tr",
            {},
            row.map((value) =>
              h(
                "td",
                { class: typeof value === "number" ? "number" : null },
                value === null || value === undefined ? "–" : String(value),
              ),
            ),
          ),
        ),
      ),
    ),
    rows.length > MOST && h("p", { class: "quiet" }, `The first ${MOST} of ${rows.length}; save as CSV for all.`),
  ].filter(Boolean);
}
