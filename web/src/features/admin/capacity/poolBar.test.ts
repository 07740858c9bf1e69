import { expect, test } from "vitest";
import { poolBar } from "@/features/admin/capacity/poolBar";

const pool = { pool: "ember", slots: 32, running: {}, waiting: {}, reserved: {}, pressure: 0, service_s: 4 };

test("an idle pool is all free", () => {
  expect(poolBar(pool)).toEqual({ segments: [], running: 0, kept: 0, idle: 32 });
});

test("what is kept is the part of the reserve that is not in use", () => {
  const bar = poolBar({ ...pool, running: { paid: 6, free: 10 }, reserved: { paid: 9.4 } });
  expect(bar).toMatchObject({ running: 16, kept: 3, idle: 13 });
  expect(bar.segments.map((each) => each.band)).toEqual(["paid", "free"]);
});

test("a full pool keeps nothing free, whatever is reserved", () => {
  expect(poolBar({ ...pool, running: { free: 40 }, reserved: { paid: 20 } })).toMatchObject({
    kept: 0,
    idle: 0,
  });
});
