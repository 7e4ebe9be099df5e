/** The examples that are picked, and one of them inspected: the picture or text, and what A, B and gold make of it. */

import { card } from "lethe/card.js";
import { examples } from "lethe/data.js";
import { choice, h } from "lethe/dom.js";
import { excerpt, measure, said, thumbnail } from "lethe/example.js";
import { inspector } from "lethe/inspector.js";
import { kinds, pickedRows } from "lethe/picking.js";
import { get, set } from "lethe/state.js";

const PAGE = 10;
const ORDERS = [
  ["change", "largest change from A to B"],
  ["row", "as they are stored"],
  ["a", "likeliest under A"],
  ["b", "likeliest under B"],
];

/** The view. */
export function examplesCard(context) {
  const { setting, pair } = context;
  const rows = () => ordered(context, pickedRows(context, context.embeddings ?? {}));
  const list = h("div", { class: "list" }),
    panel = h("div", { class: "inspector", "aria-live": "polite" });
  const both = h("div", { class: "examples" }, list, panel);
  const made = card({
    name: "examples",
    title: "Examples",
    keys: ["pick", "sel", "order", "page-of", "row"],
    caption: "Those picked above. Choose one to inspect it.",
    controls: () => [
      choice("Show", kinds(setting), get("pick", "all"), (value) => set({ pick: value, "page-of": "" })),
      choice("Order", ORDERS, get("order", "change"), (value) => set({ order: value, "page-of": "" })),
    ],
    data: () => tabled(context, rows()),
    draw: (width) => {
      listed(context, list, rows());
      inspector(context, panel, width);
      return both;
    },
  });
  const again = () => listed(context, list, rows());
  context.changes.addEventListener("embeddings", again);
  return made;
}

function ordered({ setting, pair }, rows) {
  const [a, b] = pair.map(({ view }) => view.columns[measure(setting)]),
    order = get("order", "change");
  const size = { change: (row) => Math.abs(b[row] - a[row]), a: (row) => a[row], b: (row) => b[row] }[order];
  return size ? [...rows].sort((one, other) => size(other) - size(one) || one - other) : rows;
}

function tabled(context, rows) {
  const { setting, shown: models } = context,
    keys = Object.keys(models[0].view.columns);
  return {
    columns: [
      "example",
      "set",
      ...(setting.classes.length ? ["label"] : []),
      ...models.flatMap(({ name }) => keys.map((key) => `${name}: ${key}`)),
    ],
    rows: rows.map((row) => [
      setting.ids[row],
      setting.sets[setting.set_of[row]],
      ...(setting.classes.length ? [setting.classes[setting.labels[row]]] : []),
      ...models.flatMap(({ view }) =>
        keys.map((key) =>
          key === "prediction" ? setting.classes[view.columns[key][row]] : (view.columns[key]?.[row] ?? null),
        ),
      ),
    ]),
  };
}

async function listed(context, place, rows) {
  const { setting, pair } = context,
    { inspectable } = setting;
  const there = inspectable ? new Set(inspectable) : null;
  const pages = Math.max(1, Math.ceil(rows.length / PAGE)),
    page = Math.min(pages - 1, Number(get("page-of", "0")));
  const here = rows.slice(page * PAGE, (page + 1) * PAGE);
  const go = (step) => () => {
    set({ "page-of": String(page + step) }, { replace: true });
  };
  const turn = (place.turn = (place.turn ?? 0) + 1);
  const found = await examples(setting.id, here).catch(() => new Map());
  if (turn !== place.turn) return;
  const focus = focused(place);
  place.replaceChildren(
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Picked examples" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Example"),
            h("th", { scope: "col" }, "Set"),
            setting.classes.length > 0 && h("th", { scope: "col" }, "Label"),
            pair.map(({ kind }) =>
              h(
                "th",
                { scope: "col", class: `ink-${kind}` },
                setting.classes.length ? `${kind.toUpperCase()} predicts` : `${kind.toUpperCase()} likelihood`,
              ),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          here.map((row) =>
            h(
              "tr",
              { class: get("row") === String(row) ? "is-chosen" : null },
              h(
                "th",
                { scope: "row" },
                h(
                  "button",
                  {
                    type: "button",
                    class: "example",
                    disabled: there && !there.has(row),
                    "aria-pressed": String(get("row") === String(row)),
                    "data-row": row,
                    onclick: () => {
                      set({ row: String(row) });
                    },
                  },
                  thumbnail(found.get(row)),
                  h("span", {}, excerpt(found.get(row)) || setting.ids[row]),
                ),
              ),
              h("td", {}, setting.sets[setting.set_of[row]]),
              setting.classes.length > 0 && h("td", {}, setting.classes[setting.labels[row]]),
              pair.map((model) => h("td", {}, said(context, model, row))),
            ),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "pager" },
      h("button", { type: "button", "data-go": -1, disabled: page === 0, onclick: go(-1) }, "Previous"),
      h(
        "span",
        {},
        rows.length
          ? `${page * PAGE + 1} to ${page * PAGE + here.length} of ${rows.length}`
          : "No example is of this kind.",
      ),
      h("button", { type: "button", "data-go": 1, disabled: page >= pages - 1, onclick: go(1) }, "Next"),
    ),
  );
  focus();
}

/** Remembers which button of a place has the focus; what is returned gives it back to the one that took its place. */
function focused(place) {
  const { row, go } = place.contains(document.activeElement) ? document.activeElement.dataset : {};
  const named = row !== undefined ? `[data-row="${row}"]` : go !== undefined ? `[data-go="${go}"]` : null;
  return () =>
    named &&
    (place.querySelector(`${named}:not(:disabled)`) ?? place.querySelector("[data-go]:not(:disabled)"))?.focus();
}
