import { expect, test } from "vitest";
import { between, chart, linesChart, nearest, path, roundUp } from "@/features/admin/chart";

test("the top of a chart is a round number that nothing passes", () => {
  expect([0, 0.03, 0.9, 1, 7, 10, 11, 49, 180].map(roundUp)).toEqual([1, 0.05, 1, 1, 10, 10, 20, 50, 200]);
});

test("a line goes from edge to edge, zero on the ground and the top at the top", () => {
  const { points, line, top } = chart([0, 5, 10], 100, 40);
  expect(top).toBe(10);
  expect(points).toEqual([
    { x: 0, y: 40 },
    { x: 50, y: 20 },
    { x: 100, y: 0 },
  ]);
  expect(line).toBe("M0 40L50 20L100 0");
});

test("nothing to show gives an empty chart, one value a single point", () => {
  expect(chart([], 100, 40).area).toBe("");
  expect(chart([3], 100, 40).points).toHaveLength(1);
});

test("the value under the pointer is the nearest one, never outside", () => {
  expect(nearest(5, 49, 100)).toBe(2);
  expect(nearest(5, -20, 100)).toBe(0);
  expect(nearest(5, 400, 100)).toBe(4);
});

test("several lines share one scale", () => {
  const { paths, top } = linesChart(
    [
      [0, 10],
      [5, 5],
    ],
    100,
    40,
  );
  expect(top).toBe(10);
  expect(paths).toEqual(["M0 40L100 0", "M0 20L100 20"]);
});

test("the ground between two lines goes there on the upper one and back on the lower one", () => {
  expect(between([0, 5], [5, 10], 10, 100, 40)).toBe("M0 20L100 0L100 20L0 40Z");
  expect(between([], [], 10, 100, 40)).toBe("");
});

test("a line is broken where nothing is known", () => {
  expect(path([0, null, 10, 5], 10, 90, 40)).toBe("M0 40M60 0L90 20");
});
