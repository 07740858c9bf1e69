/** A policy for tests: what a new house starts with. */
import type { BandPolicy, PlanPolicy, Policy } from "@/lib/api/types";

const band = (change: Partial<BandPolicy>): BandPolicy => ({
  first_token_s: 30,
  per_token_s: 1,
  patience_s: 30,
  reserve_factor: 0,
  min_share: 0,
  ...change,
});

const plan = (change: Partial<PlanPolicy>): PlanPolicy => ({
  band: "paid",
  weight: 1,
  requests_per_minute: 0,
  tokens_per_minute: 0,
  tokens_per_day: 0,
  max_running: 0,
  max_waiting: 20,
  ...change,
});

export function examplePolicy(): Policy {
  return {
    bands: {
      paid: band({ first_token_s: 2, per_token_s: 0.1, reserve_factor: 1.4, min_share: 0.5 }),
      free: band({ first_token_s: 10, per_token_s: 0.2, min_share: 0.1 }),
      later: band({ first_token_s: 3600, patience_s: 86_400, min_share: 0.05 }),
      background: band({}),
      training: band({ first_token_s: 3600, patience_s: 86_400 }),
    },
    plans: {
      free: plan({ band: "free", max_waiting: 5 }),
      plus: plan({}),
      team: plan({ weight: 2, max_waiting: 100 }),
      api: plan({ max_waiting: 200 }),
    },
    default_plan: "free",
    admin_plan: "team",
    ladder: {
      thresholds: [1, 1.3, 2, 4, 8],
      rise_s: 15,
      fall_s: 60,
      fall_factor: 0.8,
      short_reply_tokens: 400,
    },
    prompt_token_cost: 1,
    output_token_cost: 2,
    half_life_s: 60,
    admit_at: 0.9,
    lend_below_tokens: 120,
    affinity_overload: 1.1,
    choose_above: 2,
    stall_s: 5,
    fresh_account_days: 3,
    max_later: 10_000,
    small_model: "",
  };
}
