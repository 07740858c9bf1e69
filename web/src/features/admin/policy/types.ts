import type { Band } from "@/features/admin/capacity/types";

export interface BandPolicy {
  first_token_s: number;
  per_token_s: number;
  patience_s: number;
  reserve_factor: number;
  min_share: number;
}

export interface PlanPolicy {
  band: Band;
  weight: number;
  requests_per_minute: number;
  tokens_per_minute: number;
  tokens_per_day: number;
  max_running: number;
  max_waiting: number;
}

export interface Ladder {
  thresholds: number[];
  rise_s: number;
  fall_s: number;
  fall_factor: number;
  short_reply_tokens: number;
}

/** The rules of the gate as the server keeps them; fields that this page does not know pass through it. */
export interface Policy {
  bands: Record<string, BandPolicy>;
  plans: Record<string, PlanPolicy>;
  default_plan: string;
  admin_plan: string;
  ladder: Ladder;
  [further: string]: unknown;
}
