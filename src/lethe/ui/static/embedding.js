/** Features of A and B in the plane, side by side: what is pointed at or drawn around in one is marked in the other. */

import { card } from "lethe/card.js";
import { embedding, embeddingMethods } from "lethe/data.js";
import { choice, h, s, tick } from "lethe/dom.js";
import { inside, kinds, shape, tester } from "lethe/picking.js";
import { hoverText } from "lethe/example.js";
import { Plane } from "lethe/plane.js";
import { colourKey } from "lethe/points.js";
import { get, set } from "lethe/state.js";

const KEYS = ["embed", "pick", "sel", "moves", "row"];

/** The view. */
export function embeddingCard(context) {
  const { setting, pair, overview } = context;
  const methods = embeddingMethods(overview.embeddings, setting.id, pair[0].id);
  const method = () => (methods.some((one) => one.method === get("embed")) ? get("embed") : methods[0]?.method);
  const status = h("p", { class: "quiet", role: "status" });
  const readout = h("div", { class: "readout" }, "Point at an example to see it here; click to inspect it below.");
  const planes = pair.map(
    (model) =>
      new Plane(context, model, {
        hover: (row) => {
          planes.forEach((plane) => plane.ring(row));
          hoverText(context, row, readout);
        },
        leave: () => planes.forEach((plane) => plane.ring(get("row") === "" ? null : Number(get("row")))),
      }),
  );
  const moves = () =>
    context.noMoves
      ? null
      : tick("Moves from the original", get("moves") === "1", (on) => set({ moves: on ? "1" : "" }));
  const body = h(
    "div",
    {},
    h(
      "div",
      { class: "planes" },
      planes.map(({ element }) => element),
    ),
    status,
    readout,
    colourKey(setting),
  );
  const made = card({
    name: "embedding",
    title: "Features in the plane",
    keys: KEYS,
    caption:
      "Colour is what the model predicts (or, for language models, the set), × is to be forgotten. Drag to pan; click, then scroll to zoom; or draw around examples to pick them in both planes and in the table below. Keys: arrows pan, + and − zoom, 0 shows all.",
    controls: () =>
      [
        choice(
          "Drawn by",
          methods.map((one) => [one.method, one.title]),
          method(),
          (value) => set({ embed: value, sel: "", za: "", zb: "" }),
        ),
        choice("Show", kinds(setting), get("pick", "all"), (value) => set({ pick: value })),
        choice(
          "Dragging",
          [
            ["pan", "pans"],
            ["lasso", "picks (lasso)"],
            ["select", "picks (box)"],
          ],
          get("drag", "pan"),
          (value) => set({ drag: value }, { replace: true }),
        ),
        moves(),
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              set({ sel: "" });
              planes.forEach((plane) => plane.reset());
            },
          },
          "Clear picks and zoom",
        ),
      ].filter(Boolean),
    data: () => tabled(context),
    draw: () => {
      update();
      return body;
    },
    picture: () => pictured(planes),
  });
  let turn = 0;
  const update = async () => {
    const mine = ++turn,
      now = method();
    if (!now) {
      status.textContent = "No embedding is part of this file.";
      return;
    }
    status.textContent =
      context.drawn === now ? "" : "Being laid out; t-SNE and UMAP take some ten seconds the first time …";
    try {
      const found = await Promise.all(pair.map(({ id }) => embedding(setting.id, id, now)));
      if (mine !== turn) return;
      context.embeddings = { a: found[0], b: found[1] };
      context.drawn = now;
      const drawn = shape(),
        within = drawn && new Set(inside(context.embeddings[drawn.of], drawn.corners));
      context.noMoves = found.every(({ from_x: from }) => !from.length);
      planes.forEach((plane, at) => plane.show(found[at], tester(context, pair[at]), within));
      planes.forEach((plane) => plane.ring(get("row") === "" ? null : Number(get("row"))));
      status.textContent = [within && `${within.size} examples are picked.`, found[0].note].filter(Boolean).join(" ");
      context.changes.dispatchEvent(new Event("embeddings"));
    } catch (error) {
      if (mine === turn) status.textContent = error.message;
    }
  };
  const theme = matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", update);
  return {
    ...made,
    close: () => {
      theme.removeEventListener("change", update);
      planes.forEach((plane) => plane.close());
      made.close();
    },
  };
}

function tabled({ setting, pair, embeddings = {} }) {
  return {
    columns: ["model", "example", "set", "x", "y", "original x", "original y"],
    rows: pair.flatMap(({ kind, name }) => {
      const found = embeddings[kind];
      return found
        ? found.rows.map((row, at) => [
            name,
            setting.ids[row],
            setting.sets[setting.set_of[row]],
            found.x[at],
            found.y[at],
            found.from_x[at] ?? null,
            found.from_y[at] ?? null,
          ])
        : [];
    }),
  };
}

function pictured(planes) {
  const drawings = planes.map((plane) => plane.svg());
  const size = (name) => drawings.map((drawing) => Number(drawing.getAttribute(name)));
  const width = size("width").reduce((sum, one) => sum + one + 12, 0),
    height = Math.max(...size("height"));
  drawings.forEach((drawing, at) =>
    drawing.setAttribute(
      "x",
      size("width")
        .slice(0, at)
        .reduce((sum, one) => sum + one + 12, 0),
    ),
  );
  const back = s("rect", {
    width,
    height,
    fill: getComputedStyle(document.documentElement).getPropertyValue("--page").trim(),
  });
  return {
    text: new XMLSerializer().serializeToString(
      s("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, back, drawings),
    ),
    width,
    height,
  };
}
