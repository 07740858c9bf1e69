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

export interface LoginSession {
  id: string;
  created_at: string;
  last_seen_at: string;
  user_agent: string;
  address: string;
  current: boolean;
}
