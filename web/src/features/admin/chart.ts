/** The geometry of the small charts: figures in, paths out. Pure, so that it is tested without a page. */
export interface Point {
  x: number;
  y: number;
}

export interface Chart {
  /** The line, and the same closed down to the ground. */
  line: string;
  area: string;
  points: Point[];
  /** The value at the top edge: a round number not below the largest value. */
  top: number;
}

/** The next "round" number: 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** A line through `values`, the first at the left edge and the last at the right one. */
export function chart(values: readonly number[], width: number, height: number): Chart {
  const top = roundUp(Math.max(0, ...values));
  const gap = values.length > 1 ? width / (values.length - 1) : 0;
  const points = values.map((value, index) => ({
    x: round(index * gap),
    y: round(height - (Math.max(0, value) / top) * height),
  }));
  const line = points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
  const last = points.at(-1);
  const area = last === undefined ? "" : `${line}L${last.x} ${height}L0 ${height}Z`;
  return { line, area, points, top };
}

/** Several lines on one scale. */
export function linesChart(
  rows: readonly (readonly number[])[],
  width: number,
  height: number,
): { paths: string[]; top: number } {
  const top = roundUp(Math.max(0, ...rows.flat()));
  const paths = rows.map((values) => path(values, top, width, height));
  return { paths, top };
}

/** A line through `values` where the top edge stands for `top`. */
export function path(values: readonly number[], top: number, width: number, height: number): string {
  const gap = values.length > 1 ? width / (values.length - 1) : 0;
  return values
    .map((value, index) => {
      const y = height - (Math.min(top, Math.max(0, value)) / top) * height;
      return `${index === 0 ? "M" : "L"}${round(index * gap)} ${round(y)}`;
    })
    .join("");
}

/** The ground between two lines, as one closed shape. */
export function between(
  low: readonly number[],
  high: readonly number[],
  top: number,
  width: number,
  height: number,
): string {
  if (low.length === 0) return "";
  const back = path([...low].reverse(), top, width, height);
  // The way back runs from the right edge to the left one.
  const mirrored = back.replace(/([ML])([\d.]+) /g, (_, step: string, x: string) => {
    return `${step === "M" ? "L" : step}${round(width - Number(x))} `;
  });
  return `${path(high, top, width, height)}${mirrored}Z`;
}

/** Which value lies nearest to `x`. */
export function nearest(num: number, x: number, width: number): number {
  if (num < 2) return 0;
  return Math.min(num - 1, Math.max(0, Math.round((x / width) * (num - 1))));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
