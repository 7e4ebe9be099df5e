/** Third step: what an attacker learns from A and from B, by guessing membership and by training again. */

import { card } from "lethe/card.js";
import { caught } from "lethe/caught.js";
import { curves } from "lethe/curves.js";
import { choice, h } from "lethe/dom.js";
import { found, populations, rowsOf, strongest, told } from "lethe/guess.js";
import { histograms } from "lethe/histograms.js";
import { short, shown } from "lethe/numbers.js";
import { recovery } from "lethe/recovery.js";
import { get, set, watch } from "lethe/state.js";
import { Threshold } from "lethe/threshold.js";

/** Shows the page; returns how to close it. */
export function open(context, main) {
  const attack = prepared(context);
  const relearning = recovery(context);
  if (!attack) {
    main.replaceChildren(
      h(
        "p",
        { class: "quiet" },
        "Guessing membership needs forget examples, and either unseen examples or a gold model beside them.",
      ),
      relearning.element,
    );
    relearning.redraw();
    return relearning;
  }
  const cards = [
    histograms(context, attack),
    curves(context, attack),
    scores(context),
    caught(context, attack),
    relearning,
  ];
  const bar = h("div", { class: "controls sticky", role: "group", "aria-label": "Attack" });
  const controls = () => bar.replaceChildren(...chosen(attack));
  controls();
  const stops = [
    watch(["against", "stat"], controls),
    () => attack.threshold.close(),
    ...cards.map(({ close }) => close),
  ];
  main.replaceChildren(
    h("h2", { class: "unseen" }, `Attack: ${context.pair.map(({ name }) => name).join(" and ")}`),
    bar,
    ...cards.map(({ element }) => element),
  );
  cards.forEach(({ redraw }) => redraw());
  return { close: () => stops.forEach((stop) => stop()) };
}

/** What the views of the page share: which attack, which statistic, both models' populations, and the threshold. */
function prepared({ setting, pair, gold }) {
  const ways = [
    rowsOf(setting, "holdout").length && ["unseen", "forget against unseen examples"],
    gold && ["gold", "unlearned against retrained"],
  ].filter(Boolean);
  if (!ways.length || !rowsOf(setting, "forget").length || !setting.statistics.length) return null;
  const against = () => (ways.some(([key]) => key === get("against")) ? get("against") : ways[0][0]);
  const statistic = () => setting.statistics.find(({ key }) => key === get("stat")) ?? setting.statistics[0];
  const known = new Map();
  const pops = (at) => {
    const key = `${against()} ${statistic().key} ${at}`;
    if (!known.has(key)) known.set(key, populations(setting, pair[at].view, gold?.view, against(), statistic()));
    return known.get(key);
  };
  const made = { ways, against, statistic, pops, statistics: setting.statistics, threshold: new Threshold(statistic) };
  made.at = (index, threshold) => found(pops(index), against(), statistic(), threshold);
  return made;
}

function chosen(attack) {
  const { threshold } = attack,
    { low, high, step, title } = attack.statistic();
  const slider = h("input", {
    type: "range",
    min: low,
    max: high,
    step,
    value: threshold.value,
    "aria-label": `Threshold of ${title}`,
    id: "threshold",
    oninput: (event) => threshold.move(Number(event.target.value)),
  });
  const output = h("output", { for: "threshold" }, short(threshold.value));
  threshold.listeners.forEach((listener) => {
    if (listener.ofBar) threshold.listeners.delete(listener);
  });
  const follow = (value) => {
    slider.value = value;
    slider.setAttribute("aria-valuetext", told(attack));
    output.textContent = short(value);
  };
  follow.ofBar = true;
  threshold.listeners.add(follow);
  follow(threshold.value);
  const both = [0, 1].map((at) => attack.pops(at));
  const jump = (text, to) => h("button", { type: "button", onclick: () => threshold.move(to()) }, text);
  return [
    choice("Attack", attack.ways, attack.against(), (value) => set({ against: value })),
    choice(
      "Statistic",
      attack.statistics.map((one) => [one.key, one.title]),
      attack.statistic().key,
      (value) => set({ stat: value, t: "" }),
    ),
    h("label", { class: "field wide" }, h("span", {}, "Threshold"), h("span", { class: "slider" }, slider, output)),
    h(
      "span",
      { class: "jumps", role: "group", "aria-label": "Set the threshold" },
      jump("Usual", () => attack.statistic().default),
      jump("Best on A", () => strongest([both[0]], attack.against(), attack.statistic())),
      jump("Best on B", () => strongest([both[1]], attack.against(), attack.statistic())),
      jump("Best on both", () => strongest(both, attack.against(), attack.statistic())),
    ),
  ];
}

/** The scores of each model over all thresholds. */
function scores({ setting, pair }) {
  const rows = () => [
    ["Forgetting quality score (1: cannot be told from gold)", ...pair.map(({ view }) => view.attack?.score ?? null)],
    ...setting.statistics.flatMap(({ key, title }) =>
      pair.some(({ view }) => view.membership[key])
        ? [
            [
              `Forget against unseen by ${title.toLowerCase()}: AUC`,
              ...pair.map(({ view }) => view.membership[key]?.auc ?? null),
            ],
            [
              `Forget against unseen by ${title.toLowerCase()}: best accuracy`,
              ...pair.map(({ view }) => view.membership[key]?.accuracy ?? null),
            ],
          ]
        : [],
    ),
  ];
  const worst = ({ kind, view }) =>
    view.attack &&
    h(
      "li",
      {},
      h("strong", { class: `ink-${kind}` }, kind.toUpperCase()),
      ` is told from gold best by ${view.attack.worst.statistic} (${view.attack.worst.above === "gold" ? "gold" : "the unlearned model"} above ${short(view.attack.worst.threshold)}): attack score ${short(view.attack.worst.attack_score)}, on ${view.attack.samples} forget examples.`,
    );
  return card({
    name: "scores",
    title: "Scores over all thresholds",
    plain: true,
    data: () => ({ columns: ["score", ...pair.map(({ name }) => name)], rows: rows() }),
    draw: () =>
      h(
        "div",
        {},
        h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores" },
          h(
            "table",
            {},
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                h("th", { scope: "col" }, "Score"),
                pair.map(({ kind, name }) => h("th", { scope: "col", class: `number ink-${kind}` }, name)),
              ),
            ),
            h(
              "tbody",
              {},
              rows().map(([title, ...values]) =>
                h(
                  "tr",
                  {},
                  h("th", { scope: "row" }, title),
                  values.map((value) => h("td", { class: "number" }, shown(value))),
                ),
              ),
            ),
          ),
        ),
        h("ul", { class: "plain" }, pair.map(worst).filter(Boolean)),
      ),
  });
}
