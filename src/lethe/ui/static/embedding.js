/** Features of A and B in the plane, side by side: what is pointed at or drawn around in one is marked in the other. */

import { card } from "lethe/card.js";
import { embedding, embeddingMethods } from "lethe/data.js";
import { choice, h, tick } from "lethe/dom.js";
import { inside, kinds, shape, tester } from "lethe/picking.js";
import { hoverText } from "lethe/example.js";
import { colourKey, Plane } from "lethe/plane.js";
import { plotly } from "lethe/plotly.js";
import { get, set } from "lethe/state.js";

const KEYS = ["embed", "pick", "sel", "moves", "row", "drag", "za", "zb"];

/** The view. */
export function embeddingCard(context) {
  const { setting, pair, overview } = context;
  const methods = embeddingMethods(overview.embeddings, setting.id, pair[0].id);
  const method = () => (methods.some((one) => one.method === get("embed")) ? get("embed") : methods[0]?.method);
  const status = h("p", { class: "quiet", role: "status" });
  const readout = h("div", { class: "readout" }, "Point at an example to see it here; click to inspect it below.");
  const planes = pair.map((model) => new Plane(context, model, {
    hover: (row) => { planes.forEach((plane) => plane.ring(row)); hoverText(context, row, readout); },
    leave: () => planes.forEach((plane) => plane.ring(get("row") === "" ? null : Number(get("row")))),
  }));
  const body = h("div", {}, h("div", { class: "planes" }, planes.map(({ element }) => element)), status, readout, colourKey(setting));
  const made = card({
    name: "embedding", title: "Features in the plane", keys: KEYS.slice(0, 5).concat("drag"),
    caption: "Colour is what the model predicts (or, for language models, the set), × is to be forgotten. Drag to pan, scroll to zoom; or draw around examples to pick them in both and in the table below. With the keyboard: arrows pan, + and − zoom, 0 shows all.",
    controls: [
      choice("Drawn by", methods.map((one) => [one.method, one.title]), method(), (value) => set({ embed: value, sel: "", za: "", zb: "" })),
      choice("Show", kinds(setting), get("pick", "all"), (value) => set({ pick: value })),
      choice("Dragging", [["pan", "pans"], ["lasso", "picks (lasso)"], ["select", "picks (box)"]], get("drag", "pan"), (value) => set({ drag: value }, { replace: true })),
      tick("Moves from the original", get("moves") === "1", (on) => set({ moves: on ? "1" : "" })),
      h("button", { type: "button", onclick: () => set({ sel: "", za: "", zb: "" }) }, "Clear picks and zoom"),
    ],
    data: () => tabled(context), draw: () => { update(); return body; }, picture: () => pictured(planes),
  });
  let turn = 0;
  const update = async () => {
    const mine = ++turn, now = method();
    if (!now) { status.textContent = "No embedding is part of this file."; return; }
    status.textContent = context.drawn === now ? "" : "Loading …";
    try {
      const [library, ...found] = await Promise.all([plotly(), ...pair.map(({ id }) => embedding(setting.id, id, now))]);
      if (mine !== turn) return;
      context.embeddings = { a: found[0], b: found[1] };
      context.drawn = now;
      const drawn = shape(), within = drawn && new Set(inside(context.embeddings[drawn.of], drawn.corners));
      await Promise.all(planes.map((plane, at) => plane.show(library, found[at], tester(context, pair[at]), within)));
      if (mine !== turn) return;
      planes.forEach((plane) => plane.ring(get("row") === "" ? null : Number(get("row"))));
      status.textContent = [within && `${within.size} examples are picked.`, found[0].note].filter(Boolean).join(" ");
      context.changes.dispatchEvent(new Event("embeddings"));
    } catch (error) {
      if (mine === turn) status.textContent = error.message;
    }
  };
  const theme = matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", update);
  return { ...made, close: () => { theme.removeEventListener("change", update); planes.forEach((plane) => plane.close()); made.close(); } };
}

function tabled({ setting, pair, embeddings = {} }) {
  return { columns: ["model", "example", "set", "x", "y", "original x", "original y"], rows: pair.flatMap(({ kind, name }) => {
    const found = embeddings[kind];
    return found ? found.rows.map((row, at) => [name, setting.ids[row], setting.sets[setting.set_of[row]], found.x[at], found.y[at], found.from_x[at] ?? null, found.from_y[at] ?? null]) : [];
  }) };
}

async function pictured(planes) {
  const texts = await Promise.all(planes.map((plane) => plane.svg()));
  const whole = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  let width = 0;
  for (const { text, width: own } of texts) {
    const part = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    part.setAttribute("x", width);
    whole.append(document.importNode(part, true));
    width += own;
  }
  const height = Math.max(...texts.map((one) => one.height));
  whole.setAttribute("width", width);
  whole.setAttribute("height", height);
  return { text: new XMLSerializer().serializeToString(whole), width, height };
}
