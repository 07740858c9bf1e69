import { expect, test } from "vitest";
import {
  anchorOf,
  applied,
  noDraft,
  numChanges,
  rebased,
  shown,
  towards,
  typed,
} from "@/features/admin/policy/draft";
import { asShown, asStored } from "@/features/admin/policy/fields";
import { examplePolicy } from "@/features/admin/policy/example";

const policy = examplePolicy();

test("numbers are shown in the unit people use and stored in the server's", () => {
  expect(asShown(0.07, 100)).toBe("7");
  expect(asShown(0.1, 1000)).toBe("100");
  expect(asStored("7", 100)).toBe(0.07);
  expect(asStored("0,5", 1)).toBe(0.5);
  expect(asStored("-3", 1)).toBe(-3);
  expect(["", "x", "1e9", "--1"].map((text) => asStored(text, 1))).toEqual([null, null, null, null]);
});

test("a change is kept until it equals what is in force", () => {
  const path = "bands.free.min_share";
  expect(shown(policy, noDraft, path)).toBe("10");
  const changed = typed(policy, noDraft, path, "20");
  expect(numChanges(changed)).toBe(1);
  expect(applied(policy, changed).policy.bands["free"]!.min_share).toBe(0.2);
  expect(policy.bands["free"]!.min_share).toBe(0.1);
  expect(typed(policy, changed, path, "10")).toEqual(noDraft);
});

test("what is no number is named and not sent", () => {
  const draft = typed(policy, noDraft, "ladder.thresholds.2", "two");
  expect(applied(policy, draft).wrong).toEqual(["ladder.thresholds.2"]);
});

test("plans come and go, also those with a dot in their name", () => {
  let draft = { ...noDraft, added: ["v1.5"], removed: ["plus"] };
  expect(shown(policy, draft, "plans.v1.5.max_waiting")).toBe("20");
  draft = { ...typed(policy, draft, "plans.v1.5.weight", "3"), added: ["v1.5"], removed: ["plus"] };
  const { plans } = applied(policy, draft).policy;
  expect(Object.keys(plans)).toEqual(["free", "team", "api", "v1.5"]);
  expect(plans["v1.5"]).toMatchObject({ weight: 3, band: "free" });
});

test("an earlier version fills the form, and the form gives it back", () => {
  const earlier = examplePolicy();
  earlier.plans["free"]!.tokens_per_day = 5000;
  earlier.ladder.thresholds[0] = 1.5;
  earlier.default_plan = "plus";
  Reflect.deleteProperty(earlier.plans, "api");
  const draft = towards(policy, earlier);
  expect(Object.keys(draft.edits).sort()).toEqual([
    "default_plan",
    "ladder.thresholds.0",
    "plans.free.tokens_per_day",
  ]);
  expect(draft.removed).toEqual(["api"]);
  expect(applied(policy, draft)).toEqual({ policy: earlier, wrong: [] });
  expect(towards(policy, policy)).toEqual(noDraft);
});

test("changes stay on top of a newer policy, except those that it holds already", () => {
  let draft = typed(policy, noDraft, "bands.free.min_share", "20");
  draft = { ...typed(policy, draft, "half_life_s", "30"), added: ["school"] };
  const newer = examplePolicy();
  newer.bands["free"]!.min_share = 0.2;
  newer.plans["school"] = newer.plans["free"]!;
  expect(rebased(newer, draft)).toEqual({ edits: { half_life_s: "30" }, added: [], removed: [] });
});

test("a refusal stands at the field it names, else at its group", () => {
  const anchors = ["bands", "bands.free", "bands.free.min_share", "ladder.thresholds", "plans.free"];
  expect(anchorOf("bands.free.min_share", anchors)).toBe("bands.free.min_share");
  expect(anchorOf("bands.free.new_thing", anchors)).toBe("bands.free");
  expect(anchorOf("ladder.thresholds", anchors)).toBe("ladder.thresholds");
  expect(anchorOf("plans.free.weight", anchors)).toBe("plans.free");
  expect(anchorOf("half_life_s", anchors)).toBeNull();
  expect(anchorOf(null, anchors)).toBeNull();
});
