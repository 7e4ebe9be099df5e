/** Layer-wise similarity (CKA) of A and B to the original or to gold. */

import { card } from "lethe/card.js";
import { choice, h } from "lethe/dom.js";
import { lines } from "lethe/frame.js";
import { get, set } from "lethe/state.js";

const DASHES = { forget: null, retain: "6 4", holdout: "2 3" };

/** The view. */
export function layers({ setting, pair }) {
  const there = ["original", "gold"].filter((to) =>
    pair.some(({ view }) => view.cka[to] && Object.keys(view.cka[to]).length),
  );
  const to = () => (there.includes(get("to")) ? get("to") : there[0]);
  const series = () =>
    pair.flatMap(({ kind, view }) =>
      Object.entries(view.cka[to()] ?? {}).map(([of, values]) => ({
        name: `${kind.toUpperCase()} ${of}`,
        kind,
        dash: DASHES[of],
        points: values.map((value, at) => [at, value]),
      })),
    );
  return card({
    name: "layers",
    title: "Layer-wise similarity",
    keys: ["to"],
    caption:
      "Linear CKA of each layer with the same layer of the other model: 1 is the same up to rotation and size. A model that forgot as gold did is near 1 to gold, and falls to the original on forget examples.",
    controls: () => [
      choice(
        "Similarity to",
        there.map((one) => [one, one]),
        to(),
        (value) => set({ to: value }),
      ),
    ],
    data: () => ({
      columns: ["layer", ...series().map(({ name }) => name)],
      rows: setting.layers.map((name, at) => [name, ...series().map(({ points }) => points[at]?.[1] ?? null)]),
    }),
    draw: (width) =>
      there.length
        ? drawn(width, setting, series(), to())
        : h("p", { class: "quiet" }, "Similarity was not measured for these models."),
  });
}

function drawn(width, setting, series, to) {
  const last = Math.max(1, setting.layers.length - 1),
    room = Math.max(3, Math.floor(width / (setting.layers.length * 7)));
  const every = room < 6 ? Math.ceil(setting.layers.length / Math.floor(width / 60)) : 1;
  const cut = (name) => {
    const most = room * every;
    return name.length > most ? `…${name.slice(1 - most)}` : name;
  };
  return lines({
    width,
    height: 300,
    series,
    title: `Similarity to ${to} by layer`,
    y: { domain: [0, 1], title: "CKA" },
    x: {
      domain: [-0.3, last + 0.3],
      title: "layer, from input to output",
      ticks: setting.layers.map((name, at) => [at, cut(name)]).filter(([at]) => at % every === 0),
    },
  }).drawing;
}
