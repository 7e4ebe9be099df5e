/** How numbers are written, and the small statistics that charts need. */

/** A number in a unit; shares become percentages. */
export function shown(value, unit = "") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "%") return `${trim(100 * value, 1)} %`;
  return unit ? `${short(value)} ${unit}` : short(value);
}

/** A number with a sign, for differences; of shares, in percentage points. */
export function signed(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const sign = value > 0 ? "+" : value < 0 ? "−" : "±";
  return unit === "%" ? `${sign}${trim(Math.abs(100 * value), 1)} points` : `${sign}${shown(Math.abs(value), unit)}`;
}

/** Three significant digits, without the exponents that people stumble over. */
export function short(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace("-", "−").replace("e+", "e");
  if (size >= 100) return Math.round(value).toLocaleString("en").replace("-", "−");
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

function trim(value, digits) {
  return value.toFixed(digits).replace(/\.0$/, "").replace("-", "−");
}

/** Round numbers from low to high, about `count` of them. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step)
    found.push(Number(at.toPrecision(12)));
  return found;
}

/** Least and largest of what is there; a little apart where they are equal. */
export function extent(values) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values)
    if (value !== null && value !== undefined) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** Least and largest of what is there, exactly. */
export function bounds(values) {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length ? [Math.min(...there), Math.max(...there)] : null;
}

/** A linear scale from a domain to a range, with its inverse. */
export function scale([low, high], [from, to]) {
  const map = (value) => from + ((value - low) / (high - low)) * (to - from);
  map.invert = (at) => low + ((at - from) / (to - from)) * (high - low);
  map.domain = [low, high];
  return map;
}

/** How many of the sorted values are at least the threshold, allowing for the rounding of steps. */
export function atLeast(sorted, threshold) {
  let low = 0,
    high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] >= threshold - 1e-9) high = middle;
    else low = middle + 1;
  }
  return sorted.length - low;
}
