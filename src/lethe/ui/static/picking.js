/** Which examples are picked: by what became of them, and by a shape drawn around them; both are in the address. */

import { get } from "lethe/state.js";

const CLASSIFIER = [
  ["all", "all examples"],
  ["forget", "to be forgotten"],
  ["forgotten", "forgotten (predicted otherwise)"],
  ["kept", "not forgotten (still predicted right)"],
  ["over", "overly forgotten (retained, predicted wrong)"],
  ["differ", "A and B differ"],
];
const LANGUAGE = [
  ["all", "all examples"],
  ["forget", "to be forgotten"],
  ["retain", "to be kept"],
  ["holdout", "never seen"],
];

/** The kinds of examples that one may pick. */
export const kinds = (setting) => (setting.classes.length ? CLASSIFIER : LANGUAGE);

/** Whether a row is of the kind that is picked, for a model. */
export function tester({ setting, pair }, { view }) {
  const kind = get("pick", "all"),
    { columns } = view;
  const of = (row) => setting.sets[setting.set_of[row]];
  const wrong = (row) => columns.prediction[row] !== setting.labels[row];
  const tests = {
    forget: (row) => of(row) === "forget",
    retain: (row) => of(row) === "retain",
    holdout: (row) => of(row) === "holdout",
    forgotten: (row) => of(row) === "forget" && wrong(row),
    kept: (row) => of(row) === "forget" && !wrong(row),
    over: (row) => of(row) === "retain" && wrong(row),
    differ: (row) => pair[0].view.columns.prediction[row] !== pair[1].view.columns.prediction[row],
  };
  return tests[kind] ?? (() => true);
}

/** The shape that the address holds: of which model's picture, and its corners; null without. */
export function shape() {
  const [of, corners] = get("sel").split(":");
  if (!corners) return null;
  return { of, corners: corners.split("_").map((pair) => pair.split("~").map(Number)) };
}

/** A shape as the address holds it, of at most 40 corners. */
export function shapeText(of, corners) {
  const every = Math.ceil(corners.length / 40);
  return `${of}:${corners
    .filter((_, at) => at % every === 0)
    .map(([x, y]) => `${Number(x.toPrecision(4))}~${Number(y.toPrecision(4))}`)
    .join("_")}`;
}

/** The rows of an embedding that lie inside a shape. */
export function inside({ rows, x, y }, corners) {
  return rows.filter((_, at) => {
    let odd = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [[xi, yi], [xj, yj]] = [corners[i], corners[j]];
      if (yi > y[at] !== yj > y[at] && x[at] < ((xj - xi) * (y[at] - yi)) / (yj - yi) + xi) odd = !odd;
    }
    return odd;
  });
}

/** The rows of the table of examples: of the picked kind for A or B, and inside the shape. */
export function pickedRows(context, embeddings) {
  const tests = context.pair.map((model) => tester(context, model));
  const drawn = shape(),
    within = drawn && embeddings[drawn.of] ? new Set(inside(embeddings[drawn.of], drawn.corners)) : null;
  return context.setting.ids.flatMap((_, row) =>
    tests.some((test) => test(row)) && (!within || within.has(row)) ? [row] : [],
  );
}
