/** Butterfly histograms of A and B with the threshold across both: forget examples above, those they are told from below. */

import { card } from "lethe/card.js";
import { everyFrame, h, s } from "lethe/dom.js";
import { frame } from "lethe/frame.js";
import { told } from "lethe/guess.js";
import { short, shown } from "lethe/numbers.js";

const HEIGHT = 280;

/** The view. */
export function histograms(context, attack) {
  const { pair } = context;
  let panels = [];
  const move = (value) => panels.forEach((panel) => panel.move(value));
  attack.threshold.listeners.add(move);
  const bins = (at) => {
    const { positive, negative } = attack.pops(at),
      statistic = attack.statistic();
    return [counted(positive, statistic), counted(negative, statistic)];
  };
  return card({
    name: "threshold",
    title: "Guessing by a threshold",
    keys: ["against", "stat"],
    caption:
      "Drag the line, or focus it and press the arrow keys: full colour is what the attacker calls a member (or the unlearned model), pale what is called unseen (or gold).",
    data: () => ({
      columns: ["model", "from", "to", "forget", attack.against() === "unseen" ? "unseen" : "gold"],
      rows: pair.flatMap(({ name }, at) => {
        const [up, down] = bins(at);
        return up.map(({ from, share }, bin) => [name, from, from + attack.statistic().step, share, down[bin].share]);
      }),
    }),
    draw: (width) => {
      panels = pair.map((model, at) => panel(model, at, attack, bins(at), width >= 700 ? (width - 20) / 2 : width));
      return h(
        "div",
        { class: "panels two" },
        panels.map(({ element }) => element),
      );
    },
  });
}

function counted(sorted, { low, high, step }) {
  const count = Math.round((high - low) / step),
    bins = new Array(count + 1).fill(0);
  for (const value of sorted) bins[Math.min(count, Math.floor((value - low) / step + 1e-9))] += 1 / sorted.length;
  return bins.map((share, at) => ({ from: Number((low + at * step).toPrecision(10)), share }));
}

function panel({ kind, name }, at, attack, [up, down], width) {
  const { low, high, step, title } = attack.statistic(),
    unseen = attack.against() === "unseen",
    other = unseen ? "holdout" : "gold";
  const most = Math.max(...up.map(({ share }) => share), ...down.map(({ share }) => share)) * 1.08;
  const made = frame({
    width,
    height: HEIGHT,
    title: `${name}: ${title} of forget examples and of ${unseen ? "unseen ones" : "gold"}`,
    legend: [
      { name: unseen ? "forget" : `${kind.toUpperCase()} on forget`, kind, shape: "box" },
      { name: unseen ? "unseen" : "gold on forget", kind: other, shape: "box" },
    ],
    x: { domain: [low, high + step], title: title.toLowerCase() },
    y: {
      domain: [-most, most],
      title: "share (%)",
      format: (value) => String(Math.abs(Math.round(1000 * value) / 10)),
    },
  });
  const bars = [
    [up, kind, 1],
    [down, other, -1],
  ].flatMap(([list, of, sign]) =>
    list
      .filter(({ share }) => share > 0)
      .map(({ from, share }) => {
        const rect = s(
          "rect",
          {
            class: `area ${of}`,
            x: made.x(from) + 0.5,
            width: Math.max(1, made.x(from + step) - made.x(from) - 1),
            y: sign > 0 ? made.y(share) : made.y(0),
            height: Math.max(1, Math.abs(made.y(share) - made.y(0))),
          },
          s("title", {}, `${short(from)} to ${short(from + step)}: ${shown(share, "%")}`),
        );
        return { rect, from };
      }),
  );
  made.plot.append(
    ...bars.map(({ rect }) => rect),
    s("line", { class: "axis", x1: made.left, x2: made.right, y1: made.y(0), y2: made.y(0) }),
  );
  const line = s("line", { class: "threshold", y1: made.top - 4, y2: made.base }),
    grip = s("circle", { class: "knob", r: 8, cy: made.top });
  const handle = s(
    "g",
    {
      class: "handle",
      role: "slider",
      tabindex: "0",
      "aria-label": `Threshold of ${title}, on ${name}`,
      "aria-valuemin": low,
      "aria-valuemax": high,
      onkeydown: (event) => attack.threshold.key(event),
    },
    s("line", { class: "catch", y1: made.top, y2: made.base }),
    line,
    grip,
  );
  // The drawing holds a control, so it is a group and not one image.
  made.drawing.setAttribute("role", "group");
  made.drawing.append(handle);
  dragging(made, attack.threshold);
  const numbers = h("table", { class: "numbers-now", "aria-label": `At the threshold, ${name}` }),
    words = h("p", { class: "quiet" });
  const move = (value) => {
    const x = made.x(value),
      member = memberSide(attack, at, value);
    for (const part of handle.children)
      part.tagName === "circle" ? part.setAttribute("cx", x) : (part.setAttribute("x1", x), part.setAttribute("x2", x));
    handle.setAttribute("aria-valuenow", value);
    handle.setAttribute("aria-valuetext", told(attack));
    for (const { rect, from } of bars) rect.classList.toggle("pale", from >= value - 1e-9 !== (member === "above"));
    words.textContent = `${name} at ${short(value)}: ${unseen ? "members" : "the unlearned model"} ${member}`;
    numbers.replaceChildren(...facts(attack, at, value));
  };
  move(attack.threshold.value);
  return { element: h("div", {}, h("h3", { class: `ink-${kind}` }, name), made.drawing, words, numbers), move };
}

function memberSide(attack, at, value) {
  return attack.against() === "unseen"
    ? attack.statistic().member
    : attack.at(at, value).above === "unlearned"
      ? "above"
      : "below";
}

function facts(attack, at, value) {
  const now = attack.at(at, value),
    unseen = attack.against() === "unseen";
  const rows = unseen
    ? [
        ["Forget examples caught (TPR)", now.tpr],
        ["False alarms (FPR)", now.fpr],
        ["Attack accuracy", now.accuracy],
      ]
    : [
        ["Attack score", now.score],
        ["False alarms (FPR)", now.fpr],
        ["Missed (FNR)", now.fnr],
        ["Called right", now.accuracy],
      ];
  return rows.map(([name, number]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h(
        "td",
        { class: "number", "data-fact": `${"ab"[at]}-${name}` },
        name === "Attack score" ? short(number) : shown(number, "%"),
      ),
    ),
  );
}

function dragging({ drawing, x, left, right }, threshold) {
  const go = everyFrame((place) => threshold.move(x.invert(Math.max(left, Math.min(right, place)))));
  const place = (event) => event.clientX - drawing.getBoundingClientRect().left;
  let held = false;
  drawing.addEventListener("pointerdown", (event) => {
    held = true;
    drawing.setPointerCapture(event.pointerId);
    go(place(event));
  });
  drawing.addEventListener("pointermove", (event) => {
    if (held) go(place(event));
  });
  for (const end of ["pointerup", "pointercancel"])
    drawing.addEventListener(end, () => {
      held = false;
    });
}
