/** The numbers of a policy as people edit them: where each lies, its words, its unit and scale. */
import type { Key } from "@/lib/i18n";

export type Unit = "s" | "ms" | "times" | "percent" | "tokens" | "days" | "none";

export interface NumberSpec {
  /** The last step of its path in the policy. */
  name: string;
  label: Key;
  hint?: Key;
  unit: Unit;
  /** What is shown is what is stored times this. */
  scale: number;
  /** 0 means that there is no limit. */
  zeroIsNone?: boolean;
}

const number = (name: string, label: Key, unit: Unit, scale = 1): NumberSpec => ({
  name,
  label,
  unit,
  scale,
});

export const BAND_FIELDS: readonly NumberSpec[] = [
  number("first_token_s", "admin.policy.field.first_token_s", "s"),
  number("per_token_s", "admin.policy.field.per_token_s", "ms", 1000),
  number("patience_s", "admin.policy.field.patience_s", "s"),
  {
    ...number("reserve_factor", "admin.policy.field.reserve_factor", "times"),
    hint: "admin.policy.field.reserve_factorHint",
  },
  {
    ...number("min_share", "admin.policy.field.min_share", "percent", 100),
    hint: "admin.policy.field.min_shareHint",
  },
];

const limit = (name: string, label: Key, unit: Unit = "none"): NumberSpec => ({
  ...number(name, label, unit),
  zeroIsNone: true,
});

export const PLAN_FIELDS: readonly NumberSpec[] = [
  { ...number("weight", "admin.policy.field.weight", "times"), hint: "admin.policy.field.weightHint" },
  limit("requests_per_minute", "admin.policy.field.requests_per_minute"),
  limit("tokens_per_minute", "admin.policy.field.tokens_per_minute", "tokens"),
  limit("tokens_per_day", "admin.policy.field.tokens_per_day", "tokens"),
  limit("max_running", "admin.policy.field.max_running"),
  limit("max_waiting", "admin.policy.field.max_waiting"),
];

export const LADDER_FIELDS: readonly NumberSpec[] = [
  number("rise_s", "admin.policy.field.rise_s", "s"),
  number("fall_s", "admin.policy.field.fall_s", "s"),
  {
    ...number("fall_factor", "admin.policy.field.fall_factor", "percent", 100),
    hint: "admin.policy.field.fall_factorHint",
  },
  number("short_reply_tokens", "admin.policy.field.short_reply_tokens", "tokens"),
];

export const FINE_FIELDS: readonly NumberSpec[] = [
  number("prompt_token_cost", "admin.policy.field.prompt_token_cost", "none"),
  number("output_token_cost", "admin.policy.field.output_token_cost", "none"),
  number("half_life_s", "admin.policy.field.half_life_s", "s"),
  number("admit_at", "admin.policy.field.admit_at", "percent", 100),
  number("lend_below_tokens", "admin.policy.field.lend_below_tokens", "tokens"),
  {
    ...number("affinity_overload", "admin.policy.field.affinity_overload", "times"),
    hint: "admin.policy.field.affinity_overloadHint",
  },
  {
    ...number("choose_above", "admin.policy.field.choose_above", "times"),
    hint: "admin.policy.field.choose_aboveHint",
  },
  number("stall_s", "admin.policy.field.stall_s", "s"),
  number("fresh_account_days", "admin.policy.field.fresh_account_days", "days"),
  number("max_later", "admin.policy.field.max_later", "none"),
];

const all = [...BAND_FIELDS, ...PLAN_FIELDS, ...LADDER_FIELDS, ...FINE_FIELDS];

/** What is shown of a stored number: without the noise of binary fractions. */
export function asShown(value: number, scale: number): string {
  return String(Number((value * scale).toPrecision(10)));
}

/** What a typed number stands for; null when it is none. A comma is taken for a point. */
export function asStored(text: string, scale: number): number | null {
  const clean = text.trim().replace(",", ".");
  if (clean === "" || !/^-?\d*\.?\d+$|^-?\d+\.$/.test(clean)) return null;
  return Number((Number(clean) / scale).toPrecision(12));
}

/** By how much the number at `path` is scaled; undefined where it is no number of the form. */
export function scaleOf(path: string): number | undefined {
  if (/^ladder\.thresholds\.\d$/.test(path)) return 1;
  return all.find((each) => each.name === path.split(".").at(-1))?.scale;
}
