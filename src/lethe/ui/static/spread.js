/** How a measure of answers is spread over a set: A, B, gold and the original, as shares of answers in each interval. */

import { card } from "lethe/card.js";
import { setChoice, setOf } from "lethe/classes.js";
import { choice } from "lethe/dom.js";
import { lines } from "lethe/frame.js";
import { titled } from "lethe/glance.js";
import { extent } from "lethe/numbers.js";
import { get, set } from "lethe/state.js";

const BINS = 24;
const ORDER = ["truth_ratio", "probability", "rouge", "loss", "confidence", "min_k"];

/** The view. */
export function spread({ setting, shown: models }) {
  const there = ORDER.filter((key) => models.every(({ view }) => view.columns[key]));
  const key = () => (there.includes(get("measure")) ? get("measure") : there[0]);
  const rows = () => setting.set_of.flatMap((at, row) => (setting.sets[at] === setOf(setting) ? [row] : []));
  return card({
    name: "spread",
    title: "Truth ratios, likelihoods and answers",
    keys: ["set", "measure"],
    caption: "Which share of the set's answers lies in each interval. Models that know the same have the same curve.",
    controls: () => [
      setChoice(setting),
      choice(
        "Measure",
        there.map((one) => [one, titled(one)]),
        key(),
        (value) => set({ measure: value }),
      ),
    ],
    data: () => ({
      columns: ["example", ...models.map(({ name }) => name)],
      rows: rows().map((row) => [setting.ids[row], ...models.map(({ view }) => view.columns[key()][row])]),
    }),
    draw: (width) => drawn(width, models, rows(), key()),
  });
}

function drawn(width, models, rows, key) {
  const values = models.map(({ view }) => rows.map((row) => view.columns[key][row]).filter((value) => value !== null));
  const [low, high] = extent(values.flat()),
    step = (high - low) / BINS;
  const series = models.map(({ name, kind }, at) => {
    const counts = new Array(BINS).fill(0);
    for (const value of values[at])
      counts[Math.min(BINS - 1, Math.floor((value - low) / step))] += 1 / values[at].length;
    return {
      name,
      kind,
      marks: false,
      dash: kind === "original" || kind === "gold" ? "5 3" : null,
      points: counts.flatMap((count, bin) => [
        [low + bin * step, count],
        [low + (bin + 1) * step, count],
      ]),
    };
  });
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, count]) => count)), 0.01);
  return lines({
    width,
    height: 280,
    series,
    title: `Spread of ${titled(key)}`,
    x: { domain: [low, high], title: titled(key).toLowerCase() },
    y: { domain: [0, most * 1.05], title: "share (%)", format: (value) => String(Math.round(1000 * value) / 10) },
  }).drawing;
}
