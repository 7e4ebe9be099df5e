/** Attacks that bring the forgotten back: relearning curves of A and B beside the original and gold. */

import { card } from "lethe/card.js";
import { choice, h } from "lethe/dom.js";
import { lines } from "lethe/frame.js";
import { extent, shown } from "lethe/numbers.js";
import { get, set } from "lethe/state.js";

/** The view. */
export function recovery({ pair }) {
  const names = [
    ...new Map(pair.flatMap(({ view }) => view.recovery.map(({ name, title }) => [name, title]))).entries(),
  ];
  const name = () => (names.some(([one]) => one === get("recovery")) ? get("recovery") : names[0]?.[0]);
  const found = () =>
    pair
      .map((model) => ({ ...model, attack: model.view.recovery.find((one) => one.name === name()) }))
      .filter(({ attack }) => attack);
  const series = () => {
    const first = found()[0]?.attack;
    const own = found().map((model) => ({ name: model.name, kind: model.kind, points: model.attack.curve }));
    return first
      ? [
          ...own,
          { name: "original", kind: "original", dash: "5 3", points: first.original_curve },
          { name: "gold", kind: "gold", dash: "5 3", points: first.gold_curve },
        ].filter(({ points }) => points.length)
      : [];
  };
  const steps = () =>
    [...new Set(series().flatMap(({ points }) => points.map(([step]) => step)))].sort((one, other) => one - other);
  return card({
    name: "recovery",
    title: "Bringing it back",
    keys: ["recovery"],
    caption: "A model that forgot needs as long as gold to learn it again; one that only hides it is back at once.",
    controls: () => (names.length > 1 ? [choice("By", names, name(), (value) => set({ recovery: value }))] : []),
    data: () => ({
      columns: ["step", ...series().map((one) => one.name)],
      rows: steps().map((step) => [
        step,
        ...series().map(({ points }) => points.find(([at]) => at === step)?.[1] ?? null),
      ]),
    }),
    draw: (width) =>
      names.length
        ? h("div", {}, summary(found()), drawn(width, series(), found()[0]?.attack))
        : h(
            "p",
            { class: "quiet" },
            "The audit of these models carried out no such attack; lethe audit with attacks adds them.",
          ),
  });
}

function summary(models) {
  const { title, unit, original, gold } = models[0].attack;
  const values = [
    ...models.map(({ name, kind, attack }) => [name, kind, attack.value]),
    ["original", "original", original],
    ["gold", "gold", gold],
  ];
  return h(
    "dl",
    { class: "values" },
    values.map(([name, kind, value]) =>
      h("div", {}, h("dt", { class: `ink-${kind}` }, name), h("dd", {}, `${title}: ${shown(value, unit)}`)),
    ),
  );
}

function drawn(width, series, attack) {
  if (!series.length) return h("p", { class: "quiet" }, "This attack has no curve.");
  const points = series.flatMap((one) => one.points),
    top = extent([...points.map(([, value]) => value), attack.target]);
  const goal =
    attack.target === null
      ? []
      : [
          {
            name: "target",
            kind: "holdout",
            dash: "2 3",
            marks: false,
            points: extent(points.map(([step]) => step)).map((step) => [step, attack.target]),
          },
        ];
  return lines({
    width,
    height: 300,
    series: [...series, ...goal],
    title: attack.title,
    x: { domain: extent(points.map(([step]) => step)), title: "step" },
    y: { domain: [Math.min(0, top[0]), top[1] * 1.04 || 1], title: attack.measure || attack.title },
  }).drawing;
}
