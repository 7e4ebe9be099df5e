/** One plane of features, drawn by plotly.js in WebGL so that tens of thousands of points pan and zoom at once. */

import { h } from "lethe/dom.js";
import { shape, shapeText } from "lethe/picking.js";
import { get, set } from "lethe/state.js";

const TEN = ["#2563eb", "#d97706", "#0f8a7e", "#dc2626", "#7c3aed", "#8a5a2b", "#db2777", "#64748b", "#7a8f0a", "#0891b2"];
const MOVES = 3000;

function colours(setting) {
  const count = setting.classes.length || setting.sets.length;
  return count <= 10 ? TEN.slice(0, count) : Array.from({ length: count }, (_, k) => `hsl(${Math.round(k * 137.5) % 360}, 62%, ${45 + 12 * (k % 2)}%)`);
}

/** What the colours and marks mean. */
export function colourKey(setting) {
  const names = setting.classes.length ? setting.classes : setting.sets, all = colours(setting);
  if (names.length > 20) return h("p", { class: "quiet" }, `Colour: one of ${names.length} predicted classes. ● kept or never seen, × to be forgotten.`);
  const swatch = (at) => { const dot = h("span", { class: "swatch", "aria-hidden": "true" }); dot.style.background = all[at]; return dot; };
  return h("ul", { class: "legend" }, names.map((name, at) => h("li", {}, swatch(at), name)), h("li", {}, "● kept or never seen"), h("li", {}, "× to be forgotten"));
}

/** A plane: `show` draws it, `ring` marks a row, `svg` is its picture. */
export class Plane {
  constructor({ setting }, model, { hover, leave }) {
    this.setting = setting;
    this.model = model;
    this.on = { hover, leave };
    this.place = h("div", { class: "plane", tabindex: "0", role: "group", "aria-label": `Features of ${model.name}: arrows pan, plus and minus zoom, 0 shows all`, onkeydown: (event) => this.key(event) });
    this.element = h("div", { class: "plane-box" }, h("h3", { class: `ink-${model.kind}` }, model.name), this.place);
    this.drawn = null;
  }

  async show(library, found, test, within) {
    this.library = library;
    this.found = found;
    const first = this.drawn === null;
    const traces = [this.points(false, test, within), this.points(true, test, within), this.moves(test), { type: "scatter", mode: "markers", x: [null], y: [null], hoverinfo: "skip", marker: { symbol: "circle-open", size: 16, color: this.ink("--ink"), line: { width: 2.5 } } }];
    await library.react(this.place, traces, this.layout(), { displayModeBar: false, scrollZoom: true, doubleClick: "reset", responsive: true });
    this.drawn = found;
    if (first) this.listen();
  }

  points(forgotten, test, within) {
    const { setting, found, model } = this, palette = colours(setting);
    const at = found.rows.flatMap((row, index) => ((setting.sets[setting.set_of[row]] === "forget") === forgotten ? [index] : []));
    const colour = at.map((index) => (setting.classes.length ? model.view.columns.prediction[found.rows[index]] : setting.set_of[found.rows[index]]));
    const seen = at.map((index) => test(found.rows[index]) && (!within || within.has(found.rows[index])));
    const all = seen.every(Boolean), size = found.rows.length > 10000 ? 3 : 6;
    return {
      type: "scattergl", mode: "markers", hoverinfo: "none", x: at.map((index) => found.x[index]), y: at.map((index) => found.y[index]), customdata: at.map((index) => found.rows[index]),
      marker: { symbol: forgotten ? "x" : "circle", size: forgotten ? size + 2 : size, opacity: 0.8, color: colour, cmin: -0.5, cmax: palette.length - 0.5, showscale: false, colorscale: palette.length === 1 ? [[0, palette[0]], [1, palette[0]]] : steps(palette) },
      selectedpoints: all ? null : seen.flatMap((one, index) => (one ? [index] : [])), unselected: { marker: { opacity: 0.06 } }, selected: { marker: { opacity: 0.95 } },
    };
  }

  /** Lines from where the original put the forget examples to where this model puts them. */
  moves(test) {
    const { setting, found } = this, x = [], y = [];
    if (get("moves") === "1" && found.from_x.length) {
      const at = found.rows.flatMap((row, index) => (setting.sets[setting.set_of[row]] === "forget" && test(row) ? [index] : [])).slice(0, MOVES);
      for (const index of at) { x.push(found.from_x[index], found.x[index], null); y.push(found.from_y[index], found.y[index], null); }
    }
    return { type: "scattergl", mode: "lines", x, y, hoverinfo: "skip", line: { width: 1, color: this.ink("--quiet") }, opacity: 0.5 };
  }

  layout() {
    const axis = { showticklabels: false, zeroline: false, gridcolor: this.ink("--rule"), linecolor: this.ink("--rule"), mirror: true, showline: true, ...{} };
    const zoom = get(`z${this.model.kind}`).split("~").map(Number);
    const ranges = zoom.length === 4 ? [{ range: zoom.slice(0, 2), autorange: false }, { range: zoom.slice(2), autorange: false }] : [{ autorange: true }, { autorange: true }];
    const drawn = shape();
    return {
      margin: { l: 6, r: 6, t: 6, b: 6 }, height: 400, showlegend: false, dragmode: get("drag", "pan"), hovermode: "closest", hoverdistance: 12,
      paper_bgcolor: this.ink("--card"), plot_bgcolor: this.ink("--page"), xaxis: { ...axis, ...ranges[0] }, yaxis: { ...axis, ...ranges[1] },
      selections: [], shapes: drawn?.of === this.model.kind ? [{ type: "path", path: `M${drawn.corners.map(([x, y]) => `${x},${y}`).join("L")}Z`, line: { color: this.ink("--ink"), width: 1.5, dash: "dot" } }] : [],
      uirevision: false,
    };
  }

  listen() {
    this.place.on("plotly_hover", ({ points: [point] }) => { if (point.customdata !== undefined) this.on.hover(point.customdata); });
    this.place.on("plotly_unhover", () => this.on.leave());
    this.place.on("plotly_click", ({ points: [point] }) => { if (point.customdata !== undefined) set({ row: String(point.customdata) }); });
    this.place.on("plotly_selected", (event) => {
      if (!event?.lassoPoints && !event?.range) return;
      const { x, y } = event.lassoPoints ?? { x: [0, 1, 1, 0].map((at) => event.range.x[at]), y: [0, 0, 1, 1].map((at) => event.range.y[at]) };
      set({ sel: shapeText(this.model.kind, x.map((at, index) => [at, y[index]])) });
    });
    this.place.on("plotly_deselect", () => set({ sel: "" }));
    this.place.on("plotly_relayout", (change) => {
      if (Object.keys(change).some((key) => key.includes("autorange"))) set({ [`z${this.model.kind}`]: "" }, { replace: true });
      else if (Object.keys(change).some((key) => key.includes("axis.range"))) this.remember();
    });
  }

  remember() {
    const { xaxis, yaxis } = this.place.layout;
    set({ [`z${this.model.kind}`]: [...xaxis.range, ...yaxis.range].map((at) => Number(at.toPrecision(5))).join("~") }, { replace: true });
  }

  /** Marks a row with a ring; null takes it away. */
  ring(row) {
    if (!this.drawn) return;
    const at = row === null ? -1 : this.drawn.rows.indexOf(row);
    this.library.restyle(this.place, { x: [[at < 0 ? null : this.drawn.x[at]]], y: [[at < 0 ? null : this.drawn.y[at]]] }, [3]);
  }

  key(event) {
    const moves = { ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, 0.1, 1], ArrowDown: [0, -0.1, 1], "+": [0, 0, 0.8], "=": [0, 0, 0.8], "-": [0, 0, 1.25] };
    if (!this.drawn || (event.key !== "0" && !moves[event.key])) return;
    event.preventDefault();
    if (event.key === "0") { this.library.relayout(this.place, { "xaxis.autorange": true, "yaxis.autorange": true }); return; }
    const [across, up, zoom] = moves[event.key];
    const moved = ([low, high], share) => { const half = zoom * (high - low) / 2, middle = (low + high) / 2 + share * (high - low); return [middle - half, middle + half]; };
    this.library.relayout(this.place, { "xaxis.range": moved(this.place.layout.xaxis.range, across), "yaxis.range": moved(this.place.layout.yaxis.range, up) });
  }

  async svg() {
    if (!this.drawn) throw new Error("The features are still loading");
    const { clientWidth: width, clientHeight: height } = this.place;
    const address = await this.library.toImage(this.place, { format: "svg", width, height });
    return { text: decodeURIComponent(address.slice(address.indexOf(",") + 1)), width, height };
  }

  ink(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  close() {
    if (this.drawn) this.library.purge(this.place);
  }
}

function steps(palette) {
  return palette.flatMap((colour, at) => [[at / palette.length, colour], [(at + 1) / palette.length, colour]]);
}
