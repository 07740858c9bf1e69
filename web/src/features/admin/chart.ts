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

/** Which value lies nearest to `x`. */
export function nearest(num: number, x: number, width: number): number {
  if (num < 2) return 0;
  return Math.min(num - 1, Math.max(0, Math.round((x / width) * (num - 1))));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
