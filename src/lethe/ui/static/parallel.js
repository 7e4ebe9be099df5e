/** Parallel coordinates: a line a run, an axis a number, and a range on each axis that runs can be kept to. */

import { announce, h, s } from "lethe/dom.js";
import { passing, ranges, shownAxes, written } from "lethe/filters.js";
import { extent, scale, shown } from "lethe/numbers.js";
import { chosen } from "lethe/pair.js";
import { get, set } from "lethe/state.js";

const HEIGHT = 320,
  TOP = 58,
  BASE = 290,
  NEAREST = 96;

/** Draws all runs; those that pass the filters stand out. */
export function parallel(overview, width) {
  const axes = shownAxes(overview);
  if (axes.length < 2) return h("p", { class: "quiet" }, "Choose at least two columns to see them side by side.");
  const shownRuns = overview.runs.filter((run) => !get("of") || run.setting === get("of"));
  const whole = Math.max(width, NEAREST * axes.length);
  const at = axes.map((_, index) => (whole * (index + 0.5)) / axes.length);
  const ups = axes.map(({ key }) => scale(extent(shownRuns.map(({ values }) => values[key])), [BASE, TOP]));
  const drawing = s("svg", {
    width: whole,
    height: HEIGHT,
    viewBox: `0 0 ${whole} ${HEIGHT}`,
    role: "img",
    "data-drawing": "",
    "aria-label": `Parallel coordinates of ${shownRuns.length} runs over ${axes.map(({ title }) => title).join(", ")}`,
  });
  drawing.append(
    ...lines(overview, shownRuns, axes, at, ups),
    ...axes.flatMap((axis, index) => axisOf(axis, at[index], ups[index], shownRuns)),
  );
  return h(
    "div",
    {},
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Parallel coordinates" }, drawing),
    key(),
    inputs(axes, ups),
  );
}

function lines(overview, runs, axes, at, ups) {
  const kept = new Set(passing(overview)),
    { setting, a, b } = chosen(overview);
  const kind = (run) =>
    run.setting === setting?.id && run.id === a?.id
      ? "a"
      : run.setting === setting?.id && run.id === b?.id
        ? "b"
        : run.role;
  const order = { unlearned: 0, original: 1, gold: 1, b: 2, a: 3 };
  return runs
    .map((run) => [run, kind(run)])
    .sort(([, one], [, other]) => order[one] - order[other])
    .flatMap(([run, of]) => {
      const points = axes.flatMap(({ key }, index) =>
        run.values[key] === null || run.values[key] === undefined
          ? []
          : [{ index, x: at[index], y: ups[index](run.values[key]) }],
      );
      if (!points.length) return [];
      const drawn = (across) =>
        points
          .map(
            ({ index, x, y }, place) =>
              `${place && index - points[place - 1].index > 1 === across ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`,
          )
          .join("");
      const path = drawn(false);
      const words = `${run.name}${run.seed === null ? "" : `, seed ${run.seed}`}`;
      return [
        s(
          "g",
          { class: `run-line ${kept.has(run) ? "" : "out"}` },
          s("title", {}, words),
          s("path", { class: `curve ${of}`, d: path }),
          s("path", { class: `curve across ${of}`, d: drawn(true) }),
          s("path", { class: "reach", d: path }),
        ),
      ];
    });
}

function axisOf(axis, x, up, runs) {
  const [low, high] = up.domain,
    asked = ranges()[axis.key];
  const golds = [
    ...new Set(
      runs
        .filter(({ role }) => role === "gold")
        .map(({ values }) => values[axis.key])
        .filter((value) => value !== null && value !== undefined),
    ),
  ];
  const better = axis.goal === "max" ? "\u00a0↑" : axis.goal === "min" ? "\u00a0↓" : "";
  const grip = s(
    "rect",
    { class: "grip", x: x - 22, y: TOP - 6, width: 44, height: BASE - TOP + 12 },
    s("title", {}, `Drag to keep a range of ${axis.title}; click to keep all`),
  );
  const band = s("rect", {
    class: "band",
    x: x - 9,
    width: 18,
    y: asked ? up(Math.min(asked[1], high)) : 0,
    height: asked ? Math.max(2, up(Math.max(asked[0], low)) - up(Math.min(asked[1], high))) : 0,
  });
  dragging(grip, band, axis, up);
  return [
    s("line", { class: "axis", x1: x, x2: x, y1: TOP, y2: BASE }),
    band,
    ...golds.map((value) =>
      s(
        "path",
        { class: "area gold", d: `M${x - 5} ${up(value)}l5 -5l5 5l-5 5z` },
        s("title", {}, `gold: ${shown(value, axis.unit)}`),
      ),
    ),
    ...wrapped(axis.title + better, x),
    s("text", { class: "label", x, y: TOP - 12, "text-anchor": "middle" }, shown(high, axis.unit)),
    s("text", { class: "label", x, y: BASE + 18, "text-anchor": "middle" }, shown(low, axis.unit)),
    grip,
  ];
}

function wrapped(text, x) {
  const words = text.split(" "),
    lines = [""];
  for (const word of words)
    if (`${lines.at(-1)} ${word}`.length > 14 && lines.length < 2) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  const there = lines.filter(Boolean);
  return there.map((line, at) =>
    s(
      "text",
      { class: "label strong", x, y: 30 - 14 * (there.length - 1 - at), "text-anchor": "middle" },
      line.length > 17 ? `${line.slice(0, 16)}…` : line,
    ),
  );
}

function dragging(grip, band, axis, up) {
  let from = null;
  const place = (event) =>
    Math.max(TOP, Math.min(BASE, event.clientY - grip.ownerSVGElement.getBoundingClientRect().top));
  grip.addEventListener("pointerdown", (event) => {
    from = place(event);
    grip.setPointerCapture(event.pointerId);
  });
  grip.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = place(event);
    band.setAttribute("y", Math.min(from, to));
    band.setAttribute("height", Math.abs(to - from));
  });
  grip.addEventListener("pointerup", (event) => {
    const to = place(event),
      all = ranges();
    if (Math.abs(to - from) < 4) delete all[axis.key];
    else all[axis.key] = [up.invert(Math.max(from, to)), up.invert(Math.min(from, to))];
    from = null;
    set({ in: written(all) });
  });
}

function key() {
  return h(
    "ul",
    { class: "legend" },
    [
      ["a", "A"],
      ["b", "B"],
      ["gold", "gold"],
      ["original", "original"],
      ["unlearned", "other runs"],
    ].map(([kind, text]) =>
      h(
        "li",
        {},
        s(
          "svg",
          { width: 20, height: 8, "aria-hidden": "true" },
          s("line", { class: `curve ${kind}`, x1: 0, x2: 20, y1: 4, y2: 4 }),
        ),
        text,
      ),
    ),
  );
}

/** The same ranges, to be typed. */
function inputs(axes, ups) {
  const asked = ranges();
  const box = (axis, up, end) => {
    const factor = axis.unit === "%" ? 100 : 1;
    return h("input", {
      type: "number",
      step: "any",
      "aria-label": `${axis.title}: ${end ? "at most" : "at least"}`,
      value: asked[axis.key] ? Number((factor * asked[axis.key][end]).toPrecision(4)) : "",
      placeholder: Number((factor * up.domain[end]).toPrecision(3)),
      onchange: (event) => {
        const all = ranges(),
          range = all[axis.key] ?? [...up.domain];
        range[end] = event.target.value === "" ? up.domain[end] : Number(event.target.value) / factor;
        all[axis.key] = range;
        if (range[0] <= up.domain[0] && range[1] >= up.domain[1]) delete all[axis.key];
        const label = event.target.getAttribute("aria-label");
        set({ in: written(all) });
        document.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus();
        announce(`${label} ${event.target.value}`);
      },
    });
  };
  return h(
    "details",
    {
      class: "ranges",
      open: get("typing") === "1",
      ontoggle: (event) => set({ typing: event.target.open ? "1" : "" }, { replace: true }),
    },
    h("summary", {}, "Type ranges"),
    h(
      "div",
      { class: "controls" },
      axes.map((axis, at) =>
        h(
          "fieldset",
          { class: "range" },
          h("legend", {}, `${axis.title}${axis.unit ? ` (${axis.unit})` : ""}`),
          box(axis, ups[at], 0),
          " to ",
          box(axis, ups[at], 1),
        ),
      ),
    ),
  );
}
