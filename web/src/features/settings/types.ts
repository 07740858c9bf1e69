export type Scope = "models:run" | "conversations:read" | "conversations:write" | "metrics:read";

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  created_at: string;
  last_used_at: string | null;
}

export interface NewKey {
  /** Shown once; the server keeps only its digest. */
  key: string;
  info: ApiKey;
}

/** A plan's limits; 0 means that there is none. */
export interface OwnPlan {
  plan: string;
  band: string;
  limits: {
    weight: number;
    requests_per_minute: number;
    tokens_per_minute: number;
    tokens_per_day: number;
    max_running: number;
    max_waiting: number;
  };
  /** Tokens since midnight UTC. */
  used_today: number;
}

export interface LoginSession {
  id: string;
  created_at: string;
  last_seen_at: string;
  user_agent: string;
  address: string;
  current: boolean;
}
