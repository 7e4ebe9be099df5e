/** First step: all runs in one table and in parallel coordinates, from which two are chosen. */

import { card } from "lethe/card.js";
import { choice, h } from "lethe/dom.js";
import { passing, shownAxes } from "lethe/filters.js";
import { parallel } from "lethe/parallel.js";
import { runsTable } from "lethe/runs.js";
import { get, href, set, watch } from "lethe/state.js";

const KEYS = ["find", "of", "method", "status", "in", "sort", "columns", "setting", "a", "b"];

/** Shows the page; returns how to close it. */
export function open({ overview }, main) {
  const data = () => ({
    columns: [
      "setting",
      "id",
      "role",
      "name",
      "method",
      "seed",
      "status",
      "verdict",
      ...shownAxes(overview).map(({ key }) => key),
    ],
    rows: passing(overview).map((run) => [
      run.setting,
      run.id,
      run.role,
      run.name,
      run.method,
      run.seed,
      run.status,
      run.verdict?.outcome ?? "",
      ...shownAxes(overview).map(({ key }) => run.values[key] ?? null),
    ]),
  });
  const cards = [
    card({
      name: "parallel",
      title: "Accuracy, efficiency and privacy",
      keys: KEYS,
      data,
      draw: (width) => parallel(overview, width),
      caption:
        "A line is a run. Drag along an axis to keep the runs in that range, or type its ends below; an arrow says which way is better, a diamond where gold is. A dotted line passes over what was not measured.",
    }),
    card({
      name: "runs",
      title: "Runs",
      keys: KEYS,
      data,
      plain: true,
      draw: () => runsTable(overview),
      caption:
        "A darker cell is nearer to gold, or to the best where more or less is better. Choose A and B, then go on to Contrast.",
    }),
  ];
  const count = h("p", { class: "quiet", role: "status" });
  const tell = () => {
    const kept = passing(overview).length;
    count.replaceChildren(`${kept} of ${overview.runs.length} runs`);
    clear.hidden = !["find", "of", "method", "status", "in"].some((key) => get(key));
  };
  const clear = h(
    "button",
    {
      type: "button",
      onclick: () => {
        set({ find: "", of: "", method: "", status: "", in: "" });
        rebuild();
      },
    },
    "Clear filters",
  );
  const bar = h("div", { class: "controls" });
  const rebuild = () => bar.replaceChildren(...filters(overview), clear, count);
  rebuild();
  main.replaceChildren(
    h("h2", { class: "unseen" }, "Screen: all runs"),
    bar,
    columns(overview),
    ...cards.map(({ element }) => element),
    ...unreadable(overview),
    h("p", {}, h("a", { class: "button", id: "onward", href: href({ page: "contrast" }) }, "Contrast A and B")),
  );
  const onward = document.getElementById("onward");
  const stops = [
    watch(KEYS, () => {
      if (!bar.contains(document.activeElement)) rebuild();
      tell();
    }),
    watch(["*"], () => onward.setAttribute("href", href({ page: "contrast", at: "" }))),
  ];
  tell();
  cards.forEach(({ redraw }) => redraw());
  return { close: () => [...stops, ...cards.map(({ close }) => close)].forEach((stop) => stop()) };
}

function filters({ runs, settings }) {
  const of = (pick) => [...new Set(runs.map(pick).filter(Boolean))].sort().map((value) => [value, value]);
  const find = h("input", {
    type: "search",
    value: get("find"),
    oninput: (event) => set({ find: event.target.value }, { replace: true }),
  });
  return [
    h("label", { class: "field" }, h("span", {}, "Find"), find),
    settings.length > 1 &&
      choice("Setting shown", [["", "all"], ...settings.map(({ id, name }) => [id, name])], get("of"), (value) =>
        set({ of: value }),
      ),
    choice("Method", [["", "all"], ...of((run) => run.method)], get("method"), (value) => set({ method: value })),
    of((run) => run.status).length > 1 &&
      choice("Status", [["", "all"], ...of((run) => run.status)], get("status"), (value) => set({ status: value })),
  ].filter(Boolean);
}

function columns(overview) {
  const groups = ["accuracy", "efficiency", "privacy"];
  const there = overview.axes.filter(({ key }) =>
    overview.runs.some(({ values }) => values[key] !== null && values[key] !== undefined),
  );
  const change = (key, on) => {
    const now = new Set(shownAxes(overview).map((axis) => axis.key));
    now[on ? "add" : "delete"](key);
    set({
      columns:
        there
          .filter((axis) => now.has(axis.key))
          .map((axis) => axis.key)
          .join(",") || "none",
    });
  };
  const now = new Set(shownAxes(overview).map(({ key }) => key));
  return h(
    "details",
    { class: "columns" },
    h("summary", {}, "Columns and axes"),
    groups.map((group) =>
      h(
        "fieldset",
        {},
        h("legend", {}, group),
        there
          .filter((axis) => axis.group === group)
          .map((axis) =>
            h(
              "label",
              { class: "tick" },
              h("input", {
                type: "checkbox",
                checked: now.has(axis.key),
                onchange: (event) => change(axis.key, event.target.checked),
              }),
              axis.title,
            ),
          ),
      ),
    ),
  );
}

function unreadable({ unreadable: list }) {
  return list.length
    ? [
        h(
          "details",
          { class: "card" },
          h("summary", {}, list.length === 1 ? "One folder cannot be shown" : `${list.length} folders cannot be shown`),
          h(
            "ul",
            {},
            list.map(({ folder, reason }) => h("li", {}, h("code", {}, folder), `: ${reason}`)),
          ),
        ),
      ]
    : [];
}
