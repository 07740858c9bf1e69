import type { Role, SignUpMode } from "@/lib/api/types";

export interface Person {
  id: string;
  email: string;
  name: string;
  role: Role;
  status: "active" | "disabled";
  /** "" is the policy's default. */
  plan: string;
  created_at: string;
  last_seen_at: string | null;
}

export interface PersonChange {
  role?: Role;
  status?: "active" | "disabled";
}

export interface Invite {
  id: string;
  email: string | null;
  role: Role;
  created_at: string;
  expires_at: string;
  used_at: string | null;
}

export interface SignUpPolicy {
  mode: SignUpMode;
  reason?: string;
  at?: string | null;
}

export interface EngineRow {
  id: string;
  name: string;
  kind: "embedded" | "openai";
  base_url: string | null;
  enabled: boolean;
  ok: boolean;
  detail: string;
  models: string[];
  restarts: number;
}

export interface NewEngine {
  name: string;
  base_url: string;
  api_key?: string;
}

export type LibraryState = "absent" | "downloading" | "ready" | "active" | "failed";

export interface LibraryModel {
  name: string;
  title: string;
  description: string;
  size_bytes: number;
  licence: string;
  state: LibraryState;
  progress: number;
  detail: string;
}

export interface LiveStep {
  at: string;
  tokens_per_s: number;
  requests_per_s: number;
  running: number;
}

export interface Live {
  uptime_s: number;
  running_turns: number;
  tokens_per_s: number;
  requests_per_s: number;
  ttft_ms_p50: number | null;
  ttft_ms_p95: number | null;
  journal_lag_ms: number | null;
  users: number;
  conversations: number;
  messages: number;
  series: LiveStep[];
}
