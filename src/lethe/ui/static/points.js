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
  PALE = 0.1,
  SIZE = 3,
  TRAILS = 3000;

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
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const pen = canvas.getContext("2d");
  if (points.length > MANY) stamp(pen, canvas, scene, sharp);
  pen.scale(sharp, sharp);
  if (points.length <= MANY) {
    pen.fillStyle = ink("--page");
    pen.fillRect(0, 0, width, height);
  }
  if (scene.moves) trails(pen, scene);
  if (points.length <= MANY) for (const list of ordered(points)) group(pen, scene, list);
}

const ordered = (points) => (points.layers ??= layers(points));

/** Writes points pixel by pixel: paths of tens of thousands of points take a canvas longer than a frame. */
function stamp(pen, canvas, { points, at, palette }, sharp) {
  const { width, height } = canvas,
    image = pen.createImageData(width, height),
    pixels = new Uint32Array(image.data.buffer);
  const full = palette.map((colour) => packed(pen, colour, null)),
    pale = palette.map((colour) => packed(pen, colour, ink("--page")));
  pixels.fill(packed(pen, ink("--page"), null));
  const dot = Math.max(1, Math.round(sharp)),
    square = marks(dot, width, () => true),
    cross = marks(dot + 1, width, (x, y) => Math.abs(x) === Math.abs(y)),
    edge = dot + 2;
  // The map is linear: two places of it are enough, and no list is made for each point.
  const [x0, y0] = at(0, 0),
    [x1, y1] = at(1, 1);
  for (const list of ordered(points)) {
    const { colour, forget, seen } = list[0],
      value = (seen ? full : pale)[colour],
      shape = forget ? cross : square;
    list.xs ??= Float64Array.from(list, ({ x }) => x);
    list.ys ??= Float64Array.from(list, ({ y }) => y);
    for (let point = 0; point < list.xs.length; point++) {
      const left = Math.round((x0 + (x1 - x0) * list.xs[point]) * sharp),
        top = Math.round((y0 + (y1 - y0) * list.ys[point]) * sharp);
      if (left < edge || top < edge || left >= width - edge || top >= height - edge) continue;
      const middle = top * width + left;
      for (let part = 0; part < shape.length; part++) pixels[middle + shape[part]] = value;
    }
  }
  pen.putImageData(image, 0, 0);
}

/** How far the pixels of a mark lie from its middle, in an image of some width. */
function marks(size, width, keep) {
  const all = [];
  for (let y = -size; y <= size; y++) for (let x = -size; x <= size; x++) if (keep(x, y)) all.push(y * width + x);
  return Int32Array.from(all);
}

/** A colour as a pixel holds it; faded into another where one is given. */
function packed(pen, colour, into) {
  const parts = (text) => {
    pen.fillStyle = text;
    return [1, 3, 5].map((from) => parseInt(pen.fillStyle.slice(from, from + 2), 16));
  };
  const own = parts(colour),
    other = into && parts(into);
  const [red, green, blue] = own.map((part, at) => (other ? Math.round(PALE * part + (1 - PALE) * other[at]) : part));
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

function trails(pen, { points, at }) {
  pen.globalAlpha = 0.35;
  pen.strokeStyle = ink("--ink");
  pen.beginPath();
  for (const { x, y, from } of moved(points)) {
    pen.moveTo(...at(...from));
    pen.lineTo(...at(x, y));
  }
  pen.stroke();
}

/** The forget examples whose moves are drawn: more of them than some thousands show nothing but a grey cloud. */
function moved(points) {
  const all = points.filter(({ from, forget, seen }) => from && forget && seen);
  const every = Math.ceil(all.length / TRAILS);
  return all.filter((_, at) => at % every === 0);
}

function group(pen, { at, palette, width, height }, list) {
  const [{ colour, forget, seen }] = list;
  pen.globalAlpha = seen ? 0.85 : PALE;
  pen.fillStyle = pen.strokeStyle = palette[colour];
  pen.lineWidth = 2;
  pen.beginPath();
  for (const point of list) {
    const [x, y] = at(point.x, point.y);
    if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
    if (forget) cross(pen, x, y, SIZE + 0.5);
    else {
      pen.moveTo(x + SIZE, y);
      pen.arc(x, y, SIZE, 0, 7);
    }
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
  const size = points.length > MANY ? SIZE / 2 : SIZE,
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
        d: moved(points)
          .map(
            ({ x, y, from }) =>
              `M${at(...from)
                .map(short)
                .join(" ")}L${at(x, y).map(short).join(" ")}`,
          )
          .join(""),
      }),
    );
  for (const { x, y, colour, forget, seen } of ordered(points).flat()) {
    const place = at(x, y),
      [left, top] = place.map(short);
    if (!inside(place)) continue;
    drawing.append(
      forget
        ? s("path", {
            d: `M${left - r} ${top - r}l${2 * r} ${2 * r}m${-2 * r} 0l${2 * r} ${-2 * r}`,
            stroke: palette[colour],
            "stroke-width": size === SIZE ? 2 : 1.2,
            opacity: seen ? 0.85 : PALE,
          })
        : s("circle", { cx: left, cy: top, r: size, fill: palette[colour], opacity: seen ? 0.85 : PALE }),
    );
  }
  return drawing;
}

const short = (at) => Number(at.toFixed(1));
