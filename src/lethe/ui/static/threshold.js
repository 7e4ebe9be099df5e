/** The threshold that one drags: it moves at once, and settles in the address a little later. */

import { get, set, watch } from "lethe/state.js";

const SETTLE = 250;

/** A threshold of the statistic that `current()` names. */
export class Threshold {
  constructor(current) {
    this.current = current;
    this.listeners = new Set();
    this.value = this.asked();
    this.stop = watch(["t", "stat"], () => {
      if (this.asked() !== this.value) this.take(this.asked());
    });
  }

  asked() {
    const statistic = this.current();
    return get("t") === "" ? statistic.default : this.fit(Number(get("t")), statistic);
  }

  fit(value, { low, high, step }) {
    const round = low + Math.round((value - low) / step) * step;
    return Number(Math.max(low, Math.min(high, round)).toPrecision(10));
  }

  /** Moves to a value, rounded to the statistic's step. */
  move(value) {
    const fitted = this.fit(value, this.current());
    if (fitted === this.value) return;
    this.take(fitted);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => set({ t: String(this.value) }, { replace: true }), SETTLE);
  }

  take(value) {
    this.value = value;
    this.listeners.forEach((listener) => listener(value));
  }

  /** Moves as keys ask: arrows by a step, page keys by five, Home and End to the ends. */
  key(event) {
    const { low, high, step } = this.current();
    const to = {
      ArrowLeft: this.value - step,
      ArrowDown: this.value - step,
      ArrowRight: this.value + step,
      ArrowUp: this.value + step,
      PageDown: this.value - 5 * step,
      PageUp: this.value + 5 * step,
      Home: low,
      End: high,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.move(to);
  }

  close() {
    clearTimeout(this.settling);
    this.stop();
  }
}
