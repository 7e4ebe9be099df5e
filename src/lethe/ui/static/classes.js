/** Class-wise accuracy of A, B and gold, or their difference, a row a class. */

import { card } from "lethe/card.js";
import { choice, s } from "lethe/dom.js";
import { frame } from "lethe/frame.js";
import { shown, signed } from "lethe/numbers.js";
import { get, set } from "lethe/state.js";

const MODES = [
  ["accuracy", "accuracy of each"],
  ["gap", "B minus A"],
  ["gold", "each minus gold"],
];

const widest = new WeakMap();
const PREFERRED = ["holdout", "retain", "forget"];

/** The set that class-wise views are of: at first the one with most classes, which shows what else was forgotten. */
export function setOf(setting) {
  if (setting.sets.includes(get("set"))) return get("set");
  if (!setting.labels.length) return setting.sets[0];
  if (!widest.has(setting)) widest.set(setting, mostClasses(setting));
  return widest.get(setting);
}

function mostClasses(setting) {
  const classes = (name) => new Set(setting.labels.filter((_, row) => setting.sets[setting.set_of[row]] === name)).size;
  const there = PREFERRED.filter((name) => setting.sets.includes(name));
  return there.reduce((best, name) => (classes(name) > classes(best) ? name : best));
}

/** The predictions of a set; a class to be forgotten that the set lacks is taken from the forget set. */
export function predicted(setting, { matrices }) {
  const own = matrices[setOf(setting)],
    forget = matrices.forget;
  if (!own || !forget || own === forget) return own;
  const taken = (k) => setting.forget_classes.includes(k) && !own.count[k] && forget.count[k];
  const filled = (name) => own[name].map((value, k) => (taken(k) ? forget[name][k] : value));
  return {
    count: filled("count"),
    accuracy: filled("accuracy"),
    share: filled("share"),
    confidence: filled("confidence"),
  };
}

/** What to know of the classes that are to be forgotten. */
export const FORGOTTEN =
  "✖ marks a class that is to be forgotten; where the set has none of it, it is shown from the forget set.";

/** A choice of set, with how many examples it has. */
export function setChoice(setting, label = "Set") {
  return choice(
    label,
    setting.sets.map((name) => [name, `${name} (${setting.counts[name]?.shown ?? 0})`]),
    setOf(setting),
    (value) => set({ set: value }),
  );
}

/** The view. */
export function classes({ setting, shown: models, gold }) {
  const compared = models.filter(({ kind }) => kind !== "original");
  const rows = () => {
    const found = compared.map(({ view }) => predicted(setting, view)?.accuracy);
    return setting.classes
      .map((name, k) => ({ k, name, values: found.map((accuracy) => accuracy?.[k] ?? null) }))
      .filter(({ values }) => values.some((value) => value !== null));
  };
  return card({
    name: "classes",
    title: "Class-wise accuracy",
    keys: ["set", "mode"],
    caption: FORGOTTEN,
    controls: () => [
      setChoice(setting),
      choice("Show", gold ? MODES : MODES.slice(0, 2), get("mode", "accuracy"), (value) => set({ mode: value })),
    ],
    data: () => ({
      columns: ["class", ...compared.map(({ name }) => name)],
      rows: rows().map(({ name, values }) => [name, ...values]),
    }),
    draw: (width) => drawn(width, setting, rows(), compared),
  });
}

function series(rows, compared, mode) {
  const at = (kind) => compared.findIndex((model) => model.kind === kind);
  const minus =
    (one, other) =>
    ({ values }) =>
      values[one] === null || values[other] === null ? null : values[one] - values[other];
  if (mode === "gap") return [{ name: "B − A", kind: "b", of: minus(1, 0) }];
  if (mode === "gold" && at("gold") >= 0)
    return compared
      .slice(0, 2)
      .map(({ kind }, index) => ({ name: `${kind.toUpperCase()} − gold`, kind, of: minus(index, at("gold")) }));
  return compared.map(({ kind, name }, index) => ({ name, kind, of: ({ values }) => values[index] }));
}

function drawn(width, setting, rows, compared) {
  const mode = get("mode", "accuracy"),
    all = series(rows, compared, mode),
    difference = mode !== "accuracy";
  const most = Math.max(0.05, ...rows.flatMap((row) => all.map(({ of }) => Math.abs(of(row) ?? 0))));
  const bar = rows.length > 30 ? 5 : 9,
    step = all.length * bar + 7;
  const left = Math.min(150, 30 + 7 * Math.max(...rows.map(({ name }) => name.length)));
  const top = 10 + 18 * Math.ceil(all.reduce((sum, { name }) => sum + 36 + 6.6 * name.length, 0) / (width - left));
  const height = top + rows.length * step + 46;
  const made = frame({
    width,
    height,
    left,
    title: `Class-wise accuracy on the ${setOf(setting)} set`,
    legend: all.map((one) => ({ ...one, shape: "box" })),
    x: {
      domain: difference ? [-most, most] : [0, 1],
      title: difference ? "difference in points" : "accuracy (%)",
      format: (value) => String(Math.round(1000 * value) / 10).replace("-", "−"),
    },
    y: { domain: [rows.length, 0], title: "", ticks: [] },
  });
  rows.forEach((row, index) => {
    const y = made.y(index) + 3,
      forgotten = setting.forget_classes.includes(row.k);
    made.plot.append(
      s(
        "text",
        { class: `label ${forgotten ? "strong" : ""}`, x: left - 6, y: y + (step - 7) / 2 + 4, "text-anchor": "end" },
        `${forgotten ? "✖ " : ""}${row.name.length > 18 ? `${row.name.slice(0, 17)}…` : row.name}`,
      ),
    );
    all.forEach(({ name, kind, of }, at) => {
      const value = of(row);
      if (value === null) return;
      const [from, to] = [made.x(0), made.x(value)];
      made.plot.append(
        s(
          "rect",
          {
            class: `area ${kind}`,
            x: Math.min(from, to),
            y: y + at * bar,
            width: Math.max(1.5, Math.abs(to - from)),
            height: bar - 1,
          },
          s("title", {}, `${row.name}, ${name}: ${difference ? signed(value, "%") : shown(value, "%")}`),
        ),
      );
    });
  });
  made.plot.append(s("line", { class: "axis", x1: made.x(0), x2: made.x(0), y1: made.top, y2: made.base }));
  return made.drawing;
}
