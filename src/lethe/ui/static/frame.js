/** The frame of a chart: axes with round numbers, their names, and a legend, at the size that the page gives. */

import { s } from "lethe/dom.js";
import { scale, short, ticks } from "lethe/numbers.js";

const LETTER = 6.6;

/**
 * Draws a frame.
 *   title: for screen readers;  x, y: `{domain, title, ticks?: [[at, text]], format?}`;  legend: `[{name, kind, shape}]`.
 * Returns the drawing, the scales, and the group that data are drawn into.
 */
export function frame({ width, height, title, x, y, legend = [], left = 46, right = 14, bottom = 40 }) {
  const lines = flow(legend, width - left - right);
  const top = 10 + 18 * lines.length;
  const across = scale(x.domain, [left, width - right]);
  const up = scale(y.domain, [height - bottom, top]);
  const drawing = s("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": title,
    "data-drawing": "",
  });
  drawing.append(...lines.flatMap((line, row) => line.map(({ item, at }) => mark(item, left + at, 12 + 18 * row))));
  drawing.append(
    ...axis(
      x,
      across,
      height - bottom,
      (at, text) => [
        s("line", { class: "tick", x1: at, x2: at, y1: height - bottom, y2: height - bottom + 4 }),
        s("text", { class: "label", x: at, y: height - bottom + 16, "text-anchor": "middle" }, text),
      ],
      (width - left - right) / 70,
    ),
  );
  drawing.append(
    ...axis(
      y,
      up,
      left,
      (at, text) => [
        s("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }),
        s("text", { class: "label", x: left - 6, y: at + 4, "text-anchor": "end" }, text),
      ],
      (height - top - bottom) / 36,
    ),
  );
  drawing.append(
    s("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    s("text", { class: "label", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, x.title ?? ""),
    s(
      "text",
      {
        class: "label",
        transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)`,
        "text-anchor": "middle",
      },
      y.title ?? "",
    ),
  );
  const plot = s("g");
  drawing.append(plot);
  return { drawing, plot, x: across, y: up, top, base: height - bottom, left, right: width - right };
}

function axis({ domain, ticks: given, format = short }, map, _base, draw, room) {
  const all = given ?? ticks(domain[0], domain[1], Math.max(2, Math.floor(room))).map((at) => [at, format(at)]);
  return all.flatMap(([at, text]) => draw(map(at), text));
}

function flow(legend, room) {
  const lines = [];
  let at = Infinity;
  for (const item of legend) {
    const size = 26 + LETTER * item.name.length;
    if (at + size > room) {
      lines.push([]);
      at = 0;
    }
    lines.at(-1).push({ item, at });
    at += size + 10;
  }
  return lines;
}

function mark({ name, kind, shape = "line", dash }, x, y) {
  const sign =
    shape === "box"
      ? s("rect", { class: `area ${kind}`, x, y: y - 5, width: 16, height: 10 })
      : s("line", { class: `curve ${kind}`, x1: x, x2: x + 18, y1: y, y2: y, "stroke-dasharray": dash });
  return s("g", {}, sign, s("text", { class: "label", x: x + 22, y: y + 4 }, name));
}

/** A chart of lines: `series: [{name, kind, dash, points: [[x, y]], marks}]`. */
export function lines({ series, ...rest }) {
  const made = frame({ legend: series, ...rest });
  for (const { name, kind, dash, points, marks = points.length <= 30 } of series) {
    const there = points.filter(([, value]) => value !== null && value !== undefined);
    made.plot.append(
      s("path", {
        class: `curve ${kind}`,
        "stroke-dasharray": dash,
        d:
          there.map(([x, y], at) => `${at ? "L" : "M"}${made.x(x).toFixed(1)} ${made.y(y).toFixed(1)}`).join("") ||
          null,
      }),
    );
    if (marks)
      made.plot.append(
        ...there.map(([x, y]) =>
          s(
            "circle",
            { class: `dot ${kind}`, cx: made.x(x), cy: made.y(y), r: 3 },
            s("title", {}, `${name}: ${short(x)}, ${short(y)}`),
          ),
        ),
      );
  }
  return made;
}
