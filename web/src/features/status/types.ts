export type HouseState = "ok" | "busy" | "degraded" | "down";
export type IncidentState = "investigating" | "identified" | "monitoring" | "resolved";

export interface StatusDay {
  date: string;
  served: number;
  refused: number;
  minutes_down: number;
  minutes_degraded: number;
}

export interface IncidentUpdate {
  at: string;
  text: string;
  state: IncidentState;
}

export interface Incident {
  id: string;
  title: string;
  state: IncidentState;
  opened_at: string;
  resolved_at: string | null;
  updates: IncidentUpdate[];
}

export interface StatusModel {
  name: string;
  title: string;
  ready: boolean;
  wait_s: number | null;
}

export interface Status {
  state: HouseState;
  headline: string;
  rung: number;
  rung_name: string;
  waiting: Record<string, number>;
  models: StatusModel[];
  days: StatusDay[];
  incidents: Incident[];
}
