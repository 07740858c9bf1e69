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

/** Where the values that are known lie, where the top edge stands for `top`. */
function places(values: readonly (number | null)[], top: number, width: number, height: number) {
  const gap = values.length > 1 ? width / (values.length - 1) : 0;
  return values.flatMap((value, index) => {
    if (value === null) return [];
    const y = round(height - (Math.min(top, Math.max(0, value)) / top) * height);
    return [{ index, words: `${round(index * gap)} ${y}` }];
  });
}

/** A line through `values` where the top edge stands for `top`; what is not known is left out. */
export function path(values: readonly (number | null)[], top: number, width: number, height: number): string {
  let before = -2;
  let line = "";
  for (const { index, words } of places(values, top, width, height)) {
    line += (index === before + 1 ? "L" : "M") + words;
    before = index;
  }
  return line;
}

/** The ground between two lines, as one closed shape. */
export function between(
  low: readonly (number | null)[],
  high: readonly (number | null)[],
  top: number,
  width: number,
  height: number,
): string {
  const there = places(high, top, width, height);
  const back = places(low, top, width, height).reverse();
  if (there.length === 0 || back.length === 0) return "";
  return `M${[...there, ...back].map(({ words }) => words).join("L")}Z`;
}

/** Which value lies nearest to `x`. */
export function nearest(num: number, x: number, width: number): number {
  if (num < 2) return 0;
  return Math.min(num - 1, Math.max(0, Math.round((x / width) * (num - 1))));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
