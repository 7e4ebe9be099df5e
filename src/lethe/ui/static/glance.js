/** The means of A, B, gold and the original on each set, in one small table. */

import { card } from "lethe/card.js";
import { h } from "lethe/dom.js";
import { shown } from "lethe/numbers.js";

const TITLES = {
  accuracy: "Accuracy",
  truth: "Probability of the label",
  probability: "Probability of the answer",
  truth_ratio: "Truth ratio",
  rouge: "ROUGE of the answer",
  loss: "Loss",
  entropy: "Entropy",
  confidence: "Confidence",
  min_k: "Likelihood of the least likely tokens",
};
const FIRST = ["accuracy", "truth", "probability", "truth_ratio", "rouge", "loss"];
const SHARES = new Set(["accuracy", "truth", "probability", "rouge"]);

/** What a column is called. */
export const titled = (key) => TITLES[key] ?? key;

/** The unit of a column. */
export const unitOf = (key) => (SHARES.has(key) ? "%" : "");

/** The view. */
export function glance({ setting, shown: models }) {
  const rows = FIRST.filter((key) => models.some(({ view }) => view.means[key])).flatMap((key) =>
    setting.sets.map((set) => [key, set]),
  );
  const value = (model, key, set) => model.view.means[key]?.[set] ?? null;
  return card({
    name: "glance",
    title: "At a glance",
    plain: true,
    data: () => ({
      columns: ["measure", "set", ...models.map(({ name }) => name)],
      rows: rows.map(([key, set]) => [key, set, ...models.map((model) => value(model, key, set))]),
    }),
    draw: () =>
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Means" },
        h(
          "table",
          { class: "glance" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "Set"),
              models.map(({ kind, name }) => h("th", { scope: "col", class: `number ink-${kind}` }, name)),
            ),
          ),
          FIRST.filter((key) => rows.some(([one]) => one === key)).map((key) =>
            h(
              "tbody",
              {},
              h("tr", {}, h("th", { scope: "rowgroup", colspan: models.length + 1, class: "group" }, titled(key))),
              setting.sets.map((set) =>
                h(
                  "tr",
                  {},
                  h("th", { scope: "row" }, set),
                  models.map((model) => h("td", { class: "number" }, shown(value(model, key, set), unitOf(key)))),
                ),
              ),
            ),
          ),
        ),
      ),
  });
}
