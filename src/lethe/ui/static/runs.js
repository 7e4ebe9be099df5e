/** The table of all runs: sortable, with curves, and with a choice of two to compare. */

import { announce, h } from "lethe/dom.js";
import { passing, shownAxes } from "lethe/filters.js";
import { bounds, shown } from "lethe/numbers.js";
import { chosen } from "lethe/pair.js";
import { spark } from "lethe/spark.js";
import { get, set } from "lethe/state.js";

const MOST = 200;

/** The table, as the address asks for it. */
export function runsTable(overview, { all = false } = {}) {
  const axes = shownAxes(overview),
    runs = passing(overview),
    pair = chosen(overview);
  const shade = shades(overview, axes);
  const several = overview.settings.length > 1 ? new Map(overview.settings.map(({ id, name: of }) => [id, of])) : null;
  const table = h(
    "table",
    { class: "runs" },
    h("caption", { class: "unseen" }, "Runs: choose A and B to compare"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "A"),
        h("th", { scope: "col" }, "B"),
        sortable("name", "Run"),
        sortable("seed", "Seed"),
        h("th", { scope: "col" }, "Curves"),
        axes.map((axis) => sortable(axis.key, axis.title, axis.unit)),
      ),
    ),
    h(
      "tbody",
      {},
      runs.slice(0, all ? undefined : MOST).map((run) => row(run, axes, pair, shade, several)),
    ),
  );
  const more =
    !all &&
    runs.length > MOST &&
    h(
      "button",
      {
        type: "button",
        onclick: (event) => event.target.closest(".body").replaceChildren(runsTable(overview, { all: true })),
      },
      `Show all ${runs.length} runs`,
    );
  return h(
    "div",
    {},
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of runs" }, table),
    more,
    !runs.length && h("p", {}, "No run passes these filters."),
  );
}

function sortable(key, title, unit = "") {
  const order = get("sort"),
    state = order === key ? "ascending" : order === `-${key}` ? "descending" : null;
  const next = state === "ascending" ? `-${key}` : state === "descending" ? "" : key;
  return h(
    "th",
    { scope: "col", "aria-sort": state, class: key === "name" ? "name" : "number" },
    h(
      "button",
      {
        type: "button",
        class: "sort",
        "data-sort": key,
        onclick: () => {
          set({ sort: next });
          announce(
            next
              ? `Sorted by ${title}, ${next.startsWith("-") ? "largest first" : "smallest first"}`
              : "In the order of the grid",
          );
          document.querySelector(`[data-sort="${CSS.escape(key)}"]`)?.focus();
        },
      },
      title,
      unit && unit !== "%" ? ` (${unit})` : "",
      h("span", { "aria-hidden": "true" }, state === "ascending" ? " ▲" : state === "descending" ? " ▼" : ""),
    ),
  );
}

function row(run, axes, { setting, a, b }, shade, several) {
  const is = (model) => model && model.id === run.id && setting.id === run.setting;
  const pick = (key, model) =>
    h(
      "td",
      { class: "pickcell" },
      h("input", {
        type: "radio",
        name: key,
        class: `radio-${key}`,
        checked: is(model),
        disabled: !run.viewable,
        "aria-label": `${run.name}${run.seed === null ? "" : `, seed ${run.seed}`} as ${key.toUpperCase()}`,
        onchange: () => choose(key, run, { setting, a, b }),
      }),
    );
  return h(
    "tr",
    { class: is(a) ? "is-a" : is(b) ? "is-b" : null },
    pick("a", a),
    pick("b", b),
    h("th", { scope: "row" }, name(run, several)),
    h("td", { class: "number" }, run.seed ?? "–"),
    h("td", {}, run.sparks.slice(0, 3).map(spark)),
    axes.map((axis) =>
      h("td", { class: `number shade-${shade(run, axis)}` }, shown(run.values[axis.key], axis.unit === "%" ? "%" : "")),
    ),
  );
}

function choose(key, run, { setting, a, b }) {
  const same = run.setting === setting.id;
  set({ setting: run.setting, ...(same ? { a: a?.id, b: b?.id } : { a: "", b: "" }), [key]: run.id });
  document.querySelector(`.radio-${key}:checked`)?.focus();
  announce(`${run.name} is ${key.toUpperCase()}`);
}

function name(run, several) {
  const options = Object.entries(run.options)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
  return [
    h("span", { class: "run-name" }, run.name),
    " ",
    run.role !== "unlearned" && h("span", { class: `badge ${run.role}` }, run.role),
    run.status !== "done" && h("span", { class: "badge bad" }, run.status),
    run.verdict && h("span", { class: "badge mute", title: run.verdict.sentence }, run.verdict.outcome),
    (options || run.reason || several) &&
      h("span", { class: "quiet small" }, [several?.get(run.setting), options, run.reason].filter(Boolean).join(" · ")),
  ];
}

/** How near a value is to the best of its setting: 0 (far, or not known) to 4. */
function shades({ runs }, axes) {
  const known = new Map();
  for (const axis of axes)
    for (const setting of new Set(runs.map((run) => run.setting))) {
      const mine = runs.filter((run) => run.setting === setting);
      const range = bounds(mine.map(({ values }) => values[axis.key]));
      const gold = mine
        .filter(({ role }) => role === "gold")
        .map(({ values }) => values[axis.key])
        .filter((value) => value !== null && value !== undefined);
      const best =
        axis.goal === "gold"
          ? gold.length
            ? gold.reduce((sum, value) => sum + value, 0) / gold.length
            : null
          : range?.[axis.goal === "max" ? 1 : 0];
      if (range && best !== null && range[0] < range[1])
        known.set(`${setting} ${axis.key}`, { best, size: Math.max(range[1] - best, best - range[0]) });
    }
  return (run, axis) => {
    const value = run.values[axis.key],
      found = known.get(`${run.setting} ${axis.key}`);
    return value === null || value === undefined || !found
      ? 0
      : Math.round(4 * (1 - Math.abs(value - found.best) / found.size));
  };
}
