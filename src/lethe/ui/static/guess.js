/** What an attacker finds who calls an example by one number and a threshold; the formulas of schema.md. */

import { atLeast, short, shown } from "lethe/numbers.js";

const DELTA = 1e-5;

/** The thresholds of a statistic, from low to high. */
export function thresholds({ low, high, step }) {
  const count = Math.round((high - low) / step);
  return Array.from({ length: count + 1 }, (_, at) => Number((low + at * step).toPrecision(10)));
}

/** Values as the attacker sorts them: clipped to the range of the statistic. */
export function clipped(values, { low, high }) {
  return Float64Array.from(
    values.filter((value) => value !== null).map((value) => Math.max(low, Math.min(high, value))),
  ).sort();
}

/** The rows of a set. */
export function rowsOf(setting, name) {
  return setting.set_of.flatMap((at, row) => (setting.sets[at] === name ? [row] : []));
}

/** The two populations: `unseen` sets forget beside holdout of one model, `gold` the model beside gold on forget. */
export function populations(setting, view, gold, against, statistic) {
  const of = (one, set) =>
    clipped(
      rowsOf(setting, set).map((row) => one.columns[statistic.key][row]),
      statistic,
    );
  return { positive: of(view, "forget"), negative: against === "unseen" ? of(view, "holdout") : of(gold, "forget") };
}

/** Share that is called a member at a threshold. */
function called(sorted, threshold, member) {
  const above = atLeast(sorted, threshold) / sorted.length;
  return member === "above" ? above : 1 - atLeast(sorted, threshold + 2e-9) / sorted.length;
}

/** Forget against unseen at one threshold. */
export function membership({ positive, negative }, { member }, threshold) {
  const tpr = called(positive, threshold, member),
    fpr = called(negative, threshold, member);
  return { tpr, fpr, accuracy: (tpr + 1 - fpr) / 2 };
}

/** Unlearned against retrained at one threshold: the better direction. */
export function attribution({ positive, negative }, threshold) {
  const up = one(positive, negative, threshold),
    down = one(negative, positive, threshold);
  return down.score > up.score ? { ...down, above: "gold" } : { ...up, above: "unlearned" };
}

function one(positive, negative, threshold) {
  const tpr = atLeast(positive, threshold) / positive.length,
    fpr = atLeast(negative, threshold) / negative.length,
    fnr = 1 - tpr;
  return { tpr, fpr, fnr, score: 1 - quality(fpr, fnr), accuracy: (tpr + 1 - fpr) / 2 };
}

/** q of two error rates: 0 where they can be told apart for certain, 1 where they cannot be told apart. */
export function quality(fpr, fnr) {
  if (fpr === 0 && fnr === 0) return 0;
  if (fpr >= 1 - DELTA || fnr >= 1 - DELTA) return 1;
  const epsilon = Math.max(
    0,
    Math.min(Math.log(1 - DELTA - fpr) - Math.log(fnr), Math.log(1 - DELTA - fnr) - Math.log(fpr)),
  );
  return 2 ** -epsilon;
}

/** What is found at a threshold, whichever attack it is; `strength` is what the attacker maximises. */
export function found(pops, against, statistic, threshold) {
  if (against === "unseen") {
    const made = membership(pops, statistic, threshold);
    return { ...made, strength: made.accuracy };
  }
  const made = attribution(pops, threshold);
  return { ...made, strength: made.score };
}

/** The threshold at which the sum of the strengths is largest. */
export function strongest(list, against, statistic) {
  let best = [-Infinity, statistic.default];
  for (const at of thresholds(statistic)) {
    const sum = list.reduce((total, pops) => total + found(pops, against, statistic, at).strength, 0);
    if (sum > best[0] + 1e-12) best = [sum, at];
  }
  return best[1];
}

/** What is found at the threshold, in words. */
export function told(attack) {
  const words = [0, 1].map(
    (at) => `${"AB"[at]}: ${shown(attack.at(at, attack.threshold.value).accuracy, "%")} called right`,
  );
  return `${short(attack.threshold.value)}; ${words.join(", ")}`;
}
