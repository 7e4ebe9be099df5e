/** Prediction matrices of A and B and the change between them: true class down, predicted class across. */

import { card } from "lethe/card.js";
import { FORGOTTEN, predicted, setChoice } from "lethe/classes.js";
import { announce, choice, h, s } from "lethe/dom.js";
import { shown, signed } from "lethe/numbers.js";
import { get, set } from "lethe/state.js";

const MANY = 30;
const MODES = [
  ["both", "share ◣ and confidence ◥"],
  ["share", "share"],
  ["confidence", "confidence"],
];

/** The view. */
export function matrix({ setting, pair }) {
  const [a, b] = pair.map(({ view }) => view);
  const data = () => {
    const [one, other] = [a, b].map((view) => predicted(setting, view));
    const of = (matrices, what, i, j) => matrices?.[what][i]?.[j] ?? null;
    const cells = setting.classes.flatMap((_, i) => setting.classes.map((__, j) => [i, j]));
    return {
      columns: ["true", "predicted", "share A", "share B", "confidence A", "confidence B"],
      rows: cells.map(([i, j]) => [
        setting.classes[i],
        setting.classes[j],
        of(one, "share", i, j),
        of(other, "share", i, j),
        of(one, "confidence", i, j),
        of(other, "confidence", i, j),
      ]),
    };
  };
  const readout = h(
    "p",
    { class: "readout", id: "matrix-readout", role: "status" },
    "Point at a cell, or press the arrow keys in a matrix.",
  );
  return card({
    name: "matrix",
    title: "Prediction matrix and its change",
    keys: ["set", "cells"],
    data,
    caption: `Of each true class, which share is predicted as each class, and the mean probability given to it. ${FORGOTTEN}`,
    controls: () => [
      setChoice(setting),
      choice("Cells", MODES, get("cells", "both"), (value) => set({ cells: value })),
    ],
    draw: (width) => drawn(width, setting, predicted(setting, a), predicted(setting, b), readout),
  });
}

function drawn(width, setting, a, b, readout) {
  if (!a || !b) return h("p", { class: "quiet" }, "This set has no predictions.");
  const count = setting.classes.length,
    three = width >= 700;
  const side = Math.min(three ? (width - 32) / 3 : width, 430);
  const marks = [];
  const point = (i, j) => {
    marks.forEach((mark) => mark(i, j));
    const change = (what) =>
      a[what][i]?.[j] === null || a[what][i]?.[j] === undefined || b[what][i]?.[j] === null
        ? null
        : b[what][i][j] - a[what][i][j];
    readout.textContent =
      `True ${setting.classes[i]}, predicted ${setting.classes[j]}: A ${shown(a.share[i]?.[j], "%")}, B ${shown(b.share[i]?.[j], "%")} (${signed(change("share"), "%")}); ` +
      `confidence A ${shown(a.confidence[i]?.[j], "%")}, B ${shown(b.confidence[i]?.[j], "%")} (${signed(change("confidence"), "%")})`;
  };
  const cell = (what) => (one) => (i, j) => one[what][i]?.[j] ?? null;
  const change = (what) => (i, j) => {
    const [x, y] = [cell(what)(a)(i, j), cell(what)(b)(i, j)];
    return x === null || y === null ? null : y - x;
  };
  const panels = [
    ["A", (what) => cell(what)(a), "heat"],
    ["B", (what) => cell(what)(b), "heat"],
    ["B − A", change, "change"],
  ];
  return h(
    "div",
    {},
    h(
      "div",
      { class: "panels" },
      panels.map(([title, of, colours]) => panel({ title, of, colours, side, count, setting, point, marks })),
    ),
    readout,
  );
}

function panel({ title, of, colours, side, count, setting, point, marks }) {
  const longest = Math.min(9, Math.max(...setting.classes.map((name) => name.length)));
  const labelled = count <= MANY,
    left = labelled ? 16 + 6.6 * longest : 16,
    top = 24,
    size = (side - left - 4) / count;
  const below = labelled ? 18 + (longest > 2 ? 5 * longest : 12) : 18;
  const height = top + size * count + below;
  const drawing = s("svg", {
    width: side,
    height,
    viewBox: `0 0 ${side} ${height}`,
    class: "matrix",
    tabindex: "0",
    role: "img",
    "data-drawing": "",
    "aria-describedby": "matrix-readout",
    "aria-label": `${title}: true class by predicted class; arrow keys move from cell to cell`,
  });
  drawing.append(s("rect", { class: "paper", x: left, y: top, width: size * count, height: size * count }));
  const mode = get("cells", "both"),
    first = of(mode === "confidence" ? "confidence" : "share"),
    second = mode === "both" && labelled ? of("confidence") : null;
  for (let i = 0; i < count; i++)
    for (let j = 0; j < count; j++)
      drawing.append(
        ...square(left + j * size, top + i * size, size, first(i, j), second?.(i, j), colours, second !== null),
      );
  drawing.append(
    s("text", { class: "label strong", x: left, y: 15 }, title),
    s("rect", { class: "outline", x: left, y: top, width: size * count, height: size * count }),
    ...names(setting, labelled, left, top, size, count, longest),
  );
  const cursor = s("rect", { class: "cursor", width: size, height: size, x: left, y: top, visibility: "hidden" });
  drawing.append(cursor);
  marks.push((i, j) => {
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x", left + j * size);
    cursor.setAttribute("y", top + i * size);
  });
  pointing(drawing, { left, top, size, count, point });
  return drawing;
}

function square(x, y, size, value, second, colours, split) {
  const shade = (one) => ({
    class: one < 0 ? `${colours} less` : colours,
    "fill-opacity": Math.min(1, Math.abs(one ?? 0)).toFixed(3),
  });
  const there = (one) => one !== null && one !== undefined && Math.abs(one) >= 0.002;
  if (!split) return there(value) ? [s("rect", { ...shade(value), x, y, width: size, height: size })] : [];
  const lower = there(value) && s("path", { ...shade(value), d: `M${x} ${y}v${size}h${size}z` });
  const upper = there(second) && s("path", { ...shade(second), d: `M${x} ${y}h${size}v${size}z` });
  return [lower, upper].filter(Boolean);
}

function names(setting, labelled, left, top, size, count, longest) {
  const title = s(
    "text",
    {
      class: "label",
      x: left + (size * count) / 2,
      y: top + size * count + (labelled ? 16 + (longest > 2 ? 5 * longest : 12) : 14),
      "text-anchor": "middle",
    },
    "predicted",
  );
  if (!labelled) return [title];
  const cut = (name, k) =>
    `${setting.forget_classes.includes(k) ? "✖" : ""}${name.length > 9 ? `${name.slice(0, 8)}…` : name}`;
  const every = size < 11 ? Math.ceil(11 / size) : 1;
  return [
    title,
    ...setting.classes.flatMap((name, k) => {
      if (k % every) return [];
      const x = left + (k + 0.5) * size,
        y = top + (k + 0.5) * size,
        base = top + size * count;
      const across =
        longest > 2
          ? { transform: `translate(${x + 4} ${base + 10}) rotate(-45)`, "text-anchor": "end" }
          : { x, y: base + 13, "text-anchor": "middle" };
      return [
        s("text", { class: "label small", x: left - 4, y: y + 4, "text-anchor": "end" }, cut(name, k)),
        s("text", { class: "label small", ...across }, cut(name, k)),
      ];
    }),
  ];
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function pointing(drawing, { left, top, size, count, point }) {
  const inside = (at) => Math.max(0, Math.min(count - 1, at));
  let at = [0, 0];
  const go = (i, j) => {
    at = [inside(i), inside(j)];
    point(...at);
  };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    go(Math.floor((event.clientY - box.top - top) / size), Math.floor((event.clientX - box.left - left) / size));
  });
  drawing.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    go(at[0] + move[0], at[1] + move[1]);
  });
  drawing.addEventListener("focus", () => announce("Arrow keys move from cell to cell"));
}
