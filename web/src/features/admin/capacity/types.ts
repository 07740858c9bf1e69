import type { Policy } from "@/features/admin/policy/types";

export type Band = "paid" | "free" | "later" | "background" | "training";
export const BANDS: readonly Band[] = ["paid", "free", "later", "background", "training"];

type ByBand = Partial<Record<Band, number>>;

export interface PoolFigures {
  pool: string;
  slots: number;
  running: ByBand;
  waiting: ByBand;
  reserved: ByBand;
  /** Demand over capacity. */
  pressure: number;
  service_s: number;
}

export interface EngineFigures {
  name: string;
  ok: boolean;
  running: number;
  limit: number;
  slots: number | null;
  token_ms: number | null;
  first_token_ms: number | null;
  tokens_per_s: number;
  stalled: boolean;
}

/** Five seconds of the gate. */
export interface Moment {
  at: string;
  arrived: number;
  granted: number;
  refused: number;
  waiting: number;
  running: number;
}

export interface PlanFigures {
  running: number;
  waiting: number;
  refused_1m: number;
}

export interface CapacityView {
  bottleneck: string;
  rung: number;
  rung_name: string;
  pools: PoolFigures[];
  engines: EngineFigures[];
  series: Moment[];
  plans: Record<string, PlanFigures>;
}

export type UsageBy = "plan" | "feature" | "user" | "model";

export interface UsageRow {
  name: string;
  engine_s: number;
  completion_tokens: number;
  num_generations: number;
}

export interface ForecastHour {
  at: string;
  expected: number;
  low: number;
  high: number;
  actual: number | null;
}

export interface Forecast {
  error: { mape: number | null; baseline_mape: number | null; num_hours: number };
  hours: ForecastHour[];
}

export type IncidentState = "investigating" | "identified" | "monitoring" | "resolved";

export interface Incident {
  id: string;
  title: string;
  state: IncidentState;
  opened_at: string;
  resolved_at: string | null;
  updates: { at: string; text: string; state: IncidentState }[];
}

export interface PolicyView {
  version: number;
  policy: Policy;
  author: string;
  reason: string;
  at: string | null;
}

export interface PolicyChange {
  version: number;
  author: string;
  reason: string;
  at: string | null;
}
