/** Attack curves: what is found at every threshold, and the ROC curve with the point where the threshold stands. */

import { card } from "lethe/card.js";
import { h, s } from "lethe/dom.js";
import { lines } from "lethe/frame.js";
import { thresholds } from "lethe/guess.js";

const PARTS = {
  unseen: [
    ["accuracy", "accuracy", null],
    ["tpr", "TPR", "6 4"],
    ["fpr", "FPR", "2 3"],
  ],
  gold: [
    ["score", "attack score", null],
    ["fpr", "FPR", "2 3"],
    ["fnr", "FNR", "6 4"],
  ],
};

/** The view. */
export function curves(context, attack) {
  const { pair } = context;
  let movers = [];
  attack.threshold.listeners.add((value) => movers.forEach((mover) => mover(value)));
  const all = () =>
    pair.map(({ name, kind }, at) => ({
      name,
      kind,
      at,
      points: thresholds(attack.statistic()).map((threshold) => ({ threshold, ...attack.at(at, threshold) })),
    }));
  return card({
    name: "curves",
    title: "Attack curves",
    keys: ["against", "stat"],
    data: () => ({
      columns: ["model", "threshold", ...PARTS[attack.against()].map(([, title]) => title)],
      rows: all().flatMap(({ name, points }) =>
        points.map((point) => [name, point.threshold, ...PARTS[attack.against()].map(([key]) => point[key])]),
      ),
    }),
    draw: (width) => {
      const half = width >= 700 ? (width - 20) / 2 : width,
        models = all();
      const [left, right] = [byThreshold(half, attack, models), roc(half, attack, models)];
      movers = [left.move, right.move];
      movers.forEach((mover) => mover(attack.threshold.value));
      return h("div", { class: "panels two" }, left.drawing, right.drawing);
    },
  });
}

function byThreshold(width, attack, models) {
  const { low, high, title } = attack.statistic();
  const series = models.flatMap(({ kind, points }) =>
    PARTS[attack.against()].map(([key, name, dash]) => ({
      name: `${kind.toUpperCase()} ${name}`,
      kind,
      dash,
      marks: false,
      points: points.map((point) => [point.threshold, point[key]]),
    })),
  );
  const made = lines({
    width,
    height: 290,
    series,
    title: "What is found at each threshold",
    x: { domain: [low, high], title: `threshold of ${title.toLowerCase()}` },
    y: { domain: [0, 1], title: "share (%)", format: percent },
  });
  const line = s("line", { class: "threshold", y1: made.top, y2: made.base });
  made.plot.append(line);
  return {
    drawing: made.drawing,
    move: (value) => {
      line.setAttribute("x1", made.x(value));
      line.setAttribute("x2", made.x(value));
    },
  };
}

function roc(width, attack, models) {
  // Where gold and the model are told apart the better direction changes with the threshold, so a curve of it goes by FPR.
  const series = models.map(({ kind, name, points }) => ({
    name,
    kind,
    marks: false,
    points: [[0, 0], ...points.map(({ fpr, tpr }) => [fpr, tpr]), [1, 1]].sort(
      ([one, two], [three, four]) => one - three || two - four,
    ),
  }));
  const made = lines({
    width,
    height: 290,
    series: [
      ...series,
      {
        name: "guessing",
        kind: "holdout",
        dash: "2 3",
        marks: false,
        points: [
          [0, 0],
          [1, 1],
        ],
      },
    ],
    title: "ROC curve",
    x: { domain: [0, 1], title: "false alarms, FPR (%)", format: percent },
    y: { domain: [0, 1], title: "caught, TPR (%)", format: percent },
  });
  const dots = models.map(({ kind }) => s("circle", { class: `area ${kind}`, r: 6 }));
  made.plot.append(...dots);
  return {
    drawing: made.drawing,
    move: (value) =>
      dots.forEach((dot, at) => {
        const { fpr, tpr } = attack.at(at, value);
        dot.setAttribute("cx", made.x(fpr));
        dot.setAttribute("cy", made.y(tpr));
      }),
  };
}

const percent = (value) => String(Math.round(100 * value));
