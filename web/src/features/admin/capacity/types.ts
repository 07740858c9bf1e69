import type { Band } from "@/lib/api/types";

/** Classes of work, the most urgent first. */
export const BANDS: readonly Band[] = ["paid", "free", "later", "background", "training"];

export interface ForecastHour {
  at: string;
  expected: number;
  low: number;
  high: number;
  actual: number | null;
}

/** Turns that are expected in each hour; `mape` is how far off such forecasts were, as a share. */
export interface Forecast {
  error: { mape: number | null; baseline_mape: number | null; num_hours: number };
  hours: ForecastHour[];
}
