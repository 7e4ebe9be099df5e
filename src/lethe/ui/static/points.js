/** Points of a plane: painted on a canvas, fast enough to pan tens of thousands, or written as vectors to be saved. */

import { h, s } from "lethe/dom.js";

const TEN = [
  "#2563eb",
  "#d97706",
  "#0f8a7e",
  "#dc2626",
  "#7c3aed",
  "#8a5a2b",
  "#db2777",
  "#64748b",
  "#7a8f0a",
  "#0891b2",
];
const MANY = 5000,
  PALE = 0.1;

/** A colour for each class, or each set. */
export function colours(setting) {
  const count = setting.classes.length || setting.sets.length;
  return count <= 10
    ? TEN.slice(0, count)
    : Array.from({ length: count }, (_, k) => `hsl(${Math.round(k * 137.5) % 360}, 62%, ${45 + 12 * (k % 2)}%)`);
}

/** What the colours and marks mean. */
export function colourKey(setting) {
  const names = setting.classes.length ? setting.classes : setting.sets,
    all = colours(setting);
  const marks = ["● kept or never seen", "× to be forgotten"];
  if (names.length > 20)
    return h("p", { class: "quiet" }, `Colour: which of ${names.length} classes is predicted. ${marks.join(", ")}.`);
  return h(
    "ul",
    { class: "legend" },
    names.map((name, at) =>
      h(
        "li",
        {},
        s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("circle", { cx: 6, cy: 6, r: 6, fill: all[at] })),
        name,
      ),
    ),
    marks.map((text) => h("li", {}, text)),
  );
}

/** Groups points that are drawn with one stroke: pale ones first, then by colour, forget examples on top. */
function layers(points) {
  const groups = new Map();
  for (const point of points) {
    const key = `${point.seen ? 1 : 0}${point.forget ? 1 : 0} ${point.colour}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(point);
  }
  return [...groups].sort(([one], [other]) => one.localeCompare(other)).map(([, list]) => list);
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Paints a scene. */
export function paint(canvas, scene) {
  const { width, height, points } = scene,
    sharp = window.devicePixelRatio || 1;
  canvas.width = width * sharp;
  canvas.height = height * sharp;
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  pen.fillStyle = ink("--page");
  pen.fillRect(0, 0, width, height);
  if (scene.moves) trails(pen, scene);
  const size = points.length > MANY ? 1.5 : 3;
  scene.layers = points.layers ??= layers(points);
  for (const list of scene.layers) group(pen, scene, list, size);
}

function trails(pen, { points, at }) {
  pen.globalAlpha = 0.35;
  pen.strokeStyle = ink("--ink");
  pen.beginPath();
  for (const { x, y, from, forget, seen } of points)
    if (from && forget && seen) {
      pen.moveTo(...at(...from));
      pen.lineTo(...at(x, y));
    }
  pen.stroke();
}

function group(pen, { at, palette, width, height }, list, size) {
  const [{ colour, forget, seen }] = list;
  pen.globalAlpha = seen ? 0.85 : PALE;
  pen.fillStyle = pen.strokeStyle = palette[colour];
  pen.lineWidth = size > 2 ? 2 : 1.2;
  pen.beginPath();
  for (const point of list) {
    const [x, y] = at(point.x, point.y);
    if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
    if (forget) cross(pen, x, y, size + 0.5);
    else if (size > 2) {
      pen.moveTo(x + size, y);
      pen.arc(x, y, size, 0, 7);
    } else pen.fillRect(x - size, y - size, 2 * size, 2 * size);
  }
  if (forget) pen.stroke();
  else pen.fill();
}

function cross(pen, x, y, size) {
  pen.moveTo(x - size, y - size);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x - size, y + size);
  pen.lineTo(x + size, y - size);
}

/** The scene as an SVG element, with its name above. */
export function vector({ points, at, palette, moves, width, height }, name) {
  const size = points.length > MANY ? 1.5 : 3,
    r = size + 0.5;
  const drawing = s(
    "svg",
    { width, height: height + 24, viewBox: `0 -24 ${width} ${height + 24}` },
    s("text", { x: 4, y: -8, "font-size": 14, "font-family": "sans-serif", fill: ink("--ink") }, name),
    s("rect", { width, height, fill: ink("--page"), stroke: ink("--rule") }),
  );
  const inside = ([x, y]) => x >= 0 && y >= 0 && x <= width && y <= height;
  if (moves)
    drawing.append(
      s("path", {
        fill: "none",
        stroke: ink("--ink"),
        "stroke-opacity": 0.35,
        d: points
          .filter(({ from, forget, seen }) => from && forget && seen)
          .map(
            ({ x, y, from }) =>
              `M${at(...from)
                .map(short)
                .join(" ")}L${at(x, y).map(short).join(" ")}`,
          )
          .join(""),
      }),
    );
  for (const { x, y, colour, forget, seen } of points.layers?.flat() ?? points) {
    const place = at(x, y),
      [left, top] = place.map(short);
    if (!inside(place)) continue;
    drawing.append(
      forget
        ? s("path", {
            d: `M${left - r} ${top - r}l${2 * r} ${2 * r}m${-2 * r} 0l${2 * r} ${-2 * r}`,
            stroke: palette[colour],
            "stroke-width": size > 2 ? 2 : 1.2,
            opacity: seen ? 0.85 : PALE,
          })
        : s("circle", { cx: left, cy: top, r: size, fill: palette[colour], opacity: seen ? 0.85 : PALE }),
    );
  }
  return drawing;
}

const short = (at) => Number(at.toFixed(1));
