import { t, type Key } from "@/lib/i18n";

const known: Record<string, Key> = {
  free: "common.plan.free",
  plus: "common.plan.plus",
  team: "common.plan.team",
  api: "common.plan.api",
};

/** What a plan is called; one that an operator added is called by its name. */
export function planTitle(name: string): string {
  const key = known[name];
  return key === undefined ? name : t(key);
}
