/** One plane of features that one can pan, zoom and pick in, with the pointer or the keyboard. */

import { everyFrame, h, s } from "lethe/dom.js";
import { extent } from "lethe/numbers.js";
import { shape, shapeText } from "lethe/picking.js";
import { colours, paint, vector } from "lethe/points.js";
import { get, set } from "lethe/state.js";

const HEIGHT = 400,
  REACH = 12,
  SETTLE = 250;
const MOVES = {
  ArrowLeft: [-0.1, 0, 1],
  ArrowRight: [0.1, 0, 1],
  ArrowUp: [0, 0.1, 1],
  ArrowDown: [0, -0.1, 1],
  "+": [0, 0, 0.8],
  "=": [0, 0, 0.8],
  "-": [0, 0, 1.25],
};

/** A plane: `show` draws it, `ring` marks a row, `svg` is its picture; `hover`, `leave` are called as the pointer moves. */
export class Plane {
  constructor({ setting }, model, { hover, leave }) {
    this.setting = setting;
    this.model = model;
    this.on = { hover, leave };
    this.canvas = h("canvas", { height: HEIGHT });
    this.over = s("svg", { class: "over", "aria-hidden": "true" });
    this.place = h(
      "div",
      {
        class: "plane",
        tabindex: "0",
        role: "group",
        "aria-label": `Features of ${model.name}: arrows pan, plus and minus zoom, 0 shows all`,
        onkeydown: (event) => this.key(event),
      },
      this.canvas,
      this.over,
    );
    const zoom = (text, label, factor) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet-button",
          "aria-label": `${label}, ${model.name}`,
          onclick: () => (factor ? this.zoom(factor) : this.reset()),
        },
        text,
      );
    this.element = h(
      "div",
      { class: "plane-box" },
      h(
        "div",
        { class: "card-head" },
        h("h3", { class: `ink-${model.kind}` }, model.name),
        h("div", {}, zoom("+", "Zoom in", 0.7), zoom("−", "Zoom out", 1.4), zoom("All", "Show all", 0)),
      ),
      this.place,
    );
    this.redraw = everyFrame(() => this.draw());
    this.listen();
    this.sizes = new ResizeObserver(() => this.redraw());
    this.sizes.observe(this.place);
  }

  show(found, test, within) {
    const { setting, model } = this,
      asked = get(`z${model.kind}`);
    const same = found === this.found && asked === this.asked;
    this.found = found;
    this.asked = asked;
    this.points = found.rows.map((row, at) => ({
      row,
      x: found.x[at],
      y: found.y[at],
      forget: setting.sets[setting.set_of[row]] === "forget",
      seen: test(row) && (!within || within.has(row)),
      colour: setting.classes.length ? model.view.columns.prediction[row] : setting.set_of[row],
      from: found.from_x.length ? [found.from_x[at], found.from_y[at]] : null,
    }));
    const zoom = asked.split("~").map(Number);
    if (!same)
      this.view =
        zoom.length === 4 && zoom.every(Number.isFinite) ? { x: zoom.slice(0, 2), y: zoom.slice(2) } : this.whole();
    this.redraw();
  }

  whole() {
    const roomy = ([low, high]) => [low - 0.05 * (high - low), high + 0.05 * (high - low)];
    return { x: roomy(extent(this.found.x)), y: roomy(extent(this.found.y)) };
  }

  /** How places of the plane become places on the screen. */
  map() {
    const { x, y } = this.view,
      across = this.place.clientWidth / (x[1] - x[0]),
      up = HEIGHT / (y[1] - y[0]);
    return (left, top) => [(left - x[0]) * across, HEIGHT - (top - y[0]) * up];
  }

  /** Which place of the plane lies there on the screen. */
  back([left, top]) {
    const { clientWidth: width } = this.place,
      { x, y } = this.view;
    return [x[0] + (left / width) * (x[1] - x[0]), y[0] + ((HEIGHT - top) / HEIGHT) * (y[1] - y[0])];
  }

  scene() {
    return {
      points: this.points,
      at: this.map(),
      palette: colours(this.setting),
      moves: get("moves") === "1",
      width: this.place.clientWidth,
      height: HEIGHT,
    };
  }

  draw() {
    if (!this.points || !this.place.clientWidth) return;
    paint(this.canvas, this.scene());
    this.mark();
  }

  /** What lies over the points: the shape that was drawn, and the ring. */
  mark() {
    const { clientWidth: width } = this.place,
      drawn = shape(),
      map = this.map();
    const line = this.drawing ?? (drawn?.of === this.model.kind ? drawn.corners.map(([x, y]) => map(x, y)) : null);
    const point = this.ringed === null ? null : this.points.find(({ row }) => row === this.ringed);
    const [x, y] = point ? map(point.x, point.y) : [0, 0];
    this.over.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.over.replaceChildren(
      ...[
        line &&
          s("path", {
            class: "lasso",
            d: `M${line.map((corner) => corner.map((at) => at.toFixed(1)).join(" ")).join("L")}Z`,
          }),
        point && s("circle", { class: "ring", cx: x, cy: y, r: 8 }),
      ].filter(Boolean),
    );
  }

  /** Marks a row with a ring; null takes it away. */
  ring(row) {
    this.ringed = row;
    if (this.points) this.mark();
  }

  listen() {
    const place = (event) => {
      const box = this.place.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.place.addEventListener("pointerdown", (event) => {
      this.held = { from: place(event), view: this.view, moved: false };
      this.place.setPointerCapture(event.pointerId);
    });
    this.place.addEventListener("pointermove", (event) =>
      this.held ? this.drag(place(event)) : this.point(place(event)),
    );
    this.place.addEventListener("pointerup", (event) => {
      this.drop(place(event));
    });
    this.place.addEventListener("pointercancel", () => {
      this.held = this.drawing = null;
    });
    this.place.addEventListener("pointerleave", () => {
      if (!this.held) {
        this.pointed = null;
        this.on.leave();
      }
    });
    this.place.addEventListener("dblclick", () => this.reset());
    this.place.addEventListener(
      "wheel",
      (event) => {
        // Scrolling the page over a plane must not zoom it by accident: it zooms when it has the focus, or with Ctrl.
        if (document.activeElement !== this.place && !event.ctrlKey) return;
        event.preventDefault();
        this.zoom(1.0015 ** event.deltaY, this.back(place(event)));
      },
      { passive: false },
    );
  }

  drag([left, top]) {
    const { held } = this,
      [x, y] = held.from;
    held.moved ||= Math.hypot(left - x, top - y) > 3;
    if (!held.moved) return;
    const mode = get("drag", "pan");
    if (mode === "pan") {
      const across = ((left - x) / this.place.clientWidth) * (held.view.x[1] - held.view.x[0]),
        up = ((top - y) / HEIGHT) * (held.view.y[1] - held.view.y[0]);
      this.look({ x: held.view.x.map((at) => at - across), y: held.view.y.map((at) => at + up) });
      return;
    }
    this.drawing =
      mode === "lasso"
        ? [...(this.drawing ?? [held.from]), [left, top]]
        : [
            [x, y],
            [left, y],
            [left, top],
            [x, top],
          ];
    this.mark();
  }

  drop(where) {
    const { held, drawing } = this;
    this.held = this.drawing = null;
    if (drawing)
      set({
        sel: shapeText(
          this.model.kind,
          drawing.map((corner) => this.back(corner)),
        ),
        "page-of": "",
      });
    else if (held && !held.moved && this.nearest(where)) set({ row: String(this.nearest(where).row) });
  }

  point(where) {
    const found = this.nearest(where)?.row ?? null;
    if (found === this.pointed) return;
    this.pointed = found;
    if (found === null) this.on.leave();
    else this.on.hover(found);
  }

  nearest([left, top]) {
    const map = this.map();
    let best = null,
      least = REACH ** 2;
    for (const point of this.points ?? []) {
      if (!point.seen) continue;
      const [x, y] = map(point.x, point.y),
        far = (x - left) ** 2 + (y - top) ** 2;
      if (far < least) {
        least = far;
        best = point;
      }
    }
    return best;
  }

  look(view) {
    this.view = view;
    this.redraw();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.asked = [...view.x, ...view.y].map((at) => Number(at.toPrecision(5))).join("~");
      set({ [`z${this.model.kind}`]: this.asked }, { replace: true });
    }, SETTLE);
  }

  zoom(factor, [x, y] = [(this.view.x[0] + this.view.x[1]) / 2, (this.view.y[0] + this.view.y[1]) / 2]) {
    this.look({ x: this.view.x.map((at) => x + (at - x) * factor), y: this.view.y.map((at) => y + (at - y) * factor) });
  }

  reset() {
    this.look(this.whole());
    clearTimeout(this.settling);
    this.asked = "";
    set({ [`z${this.model.kind}`]: "" }, { replace: true });
  }

  key(event) {
    if (!this.points || (event.key !== "0" && !MOVES[event.key])) return;
    event.preventDefault();
    if (event.key === "0") {
      this.reset();
      return;
    }
    const [across, up, factor] = MOVES[event.key],
      { x, y } = this.view;
    if (factor !== 1) this.zoom(factor);
    else this.look({ x: x.map((at) => at + across * (x[1] - x[0])), y: y.map((at) => at + up * (y[1] - y[0])) });
  }

  svg() {
    if (!this.points) throw new Error("The features are still loading");
    return vector(this.scene(), this.model.name);
  }

  close() {
    clearTimeout(this.settling);
    this.sizes.disconnect();
  }
}
