/** A small curve in a row of the table. */

import { s } from "lethe/dom.js";
import { extent, scale, shown } from "lethe/numbers.js";

const WIDTH = 84,
  HEIGHT = 22;

/** Draws a `Spark`; its ends are told to those who do not see it. */
export function spark({ title, x, y, unit }) {
  const points = x.map((at, index) => [at, y[index]]).filter(([, value]) => value !== null);
  if (!points.length) return null;
  const across = scale(extent(points.map(([at]) => at)), [3, WIDTH - 3]);
  const up = scale(extent(points.map(([, value]) => value)), [HEIGHT - 3, 3]);
  const [first, last] = [points[0], points.at(-1)];
  const words = `${title}: ${shown(first[1], unit)} to ${shown(last[1], unit)}`;
  return s(
    "svg",
    { class: "spark", width: WIDTH, height: HEIGHT, role: "img", "aria-label": words },
    s("title", {}, words),
    s("path", {
      class: "curve",
      d: points
        .map(([at, value], index) => `${index ? "L" : "M"}${across(at).toFixed(1)} ${up(value).toFixed(1)}`)
        .join(""),
    }),
    s("circle", { class: "dot", cx: across(last[0]), cy: up(last[1]), r: 2 }),
  );
}
