/** Which examples the attacker calls right and wrong at the threshold, a few of each, of both models. */

import { card } from "lethe/card.js";
import { examples } from "lethe/data.js";
import { h } from "lethe/dom.js";
import { thumbnail } from "lethe/example.js";
import { rowsOf } from "lethe/guess.js";
import { shown } from "lethe/numbers.js";
import { href } from "lethe/state.js";

const FEW = 24,
  WAIT = 200;

/** The view. */
export function caught(context, attack) {
  const { setting, pair } = context;
  const place = h("div", { class: "panels two" });
  let waiting = null,
    turn = 0;
  const update = async () => {
    const mine = ++turn,
      sides = pair.map((model, at) => split(setting, model, attack, at));
    const wanted = sides.flatMap(({ right, wrong }) => [...right.slice(0, FEW), ...wrong.slice(0, FEW)]);
    const found = await examples(setting.id, [...new Set(wanted)].slice(0, 200)).catch(() => new Map());
    if (mine === turn) place.replaceChildren(...pair.map((model, at) => side(setting, model, sides[at], found)));
  };
  attack.threshold.listeners.add(() => {
    clearTimeout(waiting);
    waiting = setTimeout(update, WAIT);
  });
  const made = card({
    name: "caught",
    title: "Forget examples called right and wrong",
    keys: ["against", "stat"],
    plain: true,
    caption: "Those whose side of the threshold gives them away, and those that pass; each opens in Contrast.",
    data: () => ({
      columns: ["model", "example", "called"],
      rows: pair.flatMap((model, at) => {
        const { right, wrong } = split(setting, model, attack, at);
        return [
          ...right.map((row) => [model.name, setting.ids[row], "right"]),
          ...wrong.map((row) => [model.name, setting.ids[row], "wrong"]),
        ];
      }),
    }),
    draw: () => {
      update();
      return place;
    },
  });
  return {
    ...made,
    close: () => {
      clearTimeout(waiting);
      turn++;
      made.close();
    },
  };
}

function split(setting, { view }, attack, at) {
  const { key, low, high, member } = attack.statistic(),
    threshold = attack.threshold.value;
  const side =
    attack.against() === "unseen" ? member : attack.at(at, threshold).above === "unlearned" ? "above" : "below";
  const of = (row) => Math.max(low, Math.min(high, view.columns[key][row]));
  const called = (row) => (side === "above" ? of(row) >= threshold - 1e-9 : of(row) <= threshold + 1e-9);
  const rows = rowsOf(setting, "forget").filter((row) => view.columns[key][row] !== null);
  return { right: rows.filter(called), wrong: rows.filter((row) => !called(row)) };
}

function side(setting, { kind, name }, { right, wrong }, found) {
  const all = right.length + wrong.length;
  const group = (title, rows) => [
    h("h4", {}, `${title}: ${shown(rows.length / all, "%")} (${rows.length})`),
    h(
      "ul",
      { class: "mosaic" },
      rows.slice(0, FEW).map((row) =>
        h(
          "li",
          {},
          h(
            "a",
            {
              href: href({ page: "contrast", row: String(row), at: "examples" }),
              "aria-label": `Inspect ${setting.ids[row]}`,
              title: setting.ids[row],
            },
            thumbnail(found.get(row)) ?? setting.ids[row],
          ),
        ),
      ),
    ),
  ];
  return h(
    "div",
    {},
    h("h3", { class: `ink-${kind}` }, name),
    group("Called right", right),
    group("Called wrong", wrong),
  );
}
