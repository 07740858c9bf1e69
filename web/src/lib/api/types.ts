/** The bodies of our own HTTP interface. Times are ISO-8601 strings in UTC. */
import type { Message } from "@/lib/conversation/types";

export type Theme = "system" | "light" | "dark";
export type Role = "admin" | "member";
export type SignUpMode = "open" | "invite" | "closed";

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface CustomInstructions {
  about: string;
  style: string;
  enabled: boolean;
}

export interface Preferences {
  theme: Theme;
  language: string;
  custom_instructions: CustomInstructions;
  improve_model: boolean;
  default_model: string | null;
}

export interface Me {
  id: string;
  email: string;
  name: string;
  role: Role;
  created_at: string;
  preferences: Preferences;
}

export interface Bootstrap {
  setup_needed: boolean;
  sign_up_mode: SignUpMode;
  instance_name: string;
  version: string;
  user: Me | null;
}

export interface ConversationView {
  id: string;
  title: string;
  model: string | null;
  settings: Record<string, unknown>;
  head: string | null;
  created_at: string;
  updated_at: string;
  archived: boolean;
  pinned: boolean;
  folder_id: string | null;
  share_slug: string | null;
  running: string[];
}

export interface MessageView {
  message: Message;
  siblings: string[];
}

export interface RunningTurn {
  turn_id: string;
  conversation_id: string | null;
  message_id: string;
  offset: number;
}

export interface OpenConversation {
  conversation: ConversationView;
  messages: MessageView[];
  has_earlier: boolean;
  turns: RunningTurn[];
  thumbs: Record<string, Thumb>;
}

export interface ConversationPatch {
  title?: string;
  pinned?: boolean;
  archived?: boolean;
  folder_id?: string | null;
  model?: string | null;
  head?: string;
  settings?: Record<string, unknown>;
}

export interface Folder {
  id: string;
  name: string;
  created_at: string;
}

export interface Share {
  slug: string;
  created_at: string;
  title: string;
}

export interface SharedConversation {
  title: string;
  created_at: string;
  messages: Message[];
}

export interface SearchHit {
  conversation_id: string;
  title: string;
  message_id: string | null;
  snippet: { text: string; hit: boolean }[];
  at: string;
}

export interface ImportReport {
  num_imported: number;
  num_skipped: number;
  problems: { title: string; reason: string }[];
}

export interface PublicModel {
  name: string;
  title: string;
  description: string;
  context_tokens: number | null;
  capabilities: string[];
  ready: boolean;
  engine: string;
}

export interface PreparingModel {
  name: string;
  title?: string;
  progress: number;
  state: string;
}

export interface Models {
  default: string | null;
  models: PublicModel[];
  preparing: PreparingModel[];
}

export type TurnAsk =
  | {
      kind: "send";
      request_id: string;
      conversation_id: string | null;
      parent_id: string | null;
      text: string;
      model: string | null;
      folder_id?: string;
    }
  | {
      kind: "regenerate";
      request_id: string;
      conversation_id: string;
      message_id: string;
      model: string | null;
    }
  | { kind: "continue"; request_id: string; conversation_id: string; message_id: string }
  | { kind: "temporary"; request_id: string; messages: Message[]; model: string | null };

export interface TurnStarted {
  turn_id: string;
  conversation: ConversationView | null;
  user_message: MessageView | null;
  message: MessageView;
}

export type FeedEvent =
  | { type: "conversation"; conversation: ConversationView }
  | { type: "turn"; turn: RunningTurn }
  | { type: "title"; conversation_id: string; title: string }
  | { type: "turn_ended"; turn_id: string; conversation_id: string | null }
  | { type: "conversation_deleted"; id: string }
  | { type: "models" }
  | { type: "resync" };

export type Thumb = "up" | "down";

export type FeedbackIn =
  | {
      kind: "thumb";
      message_id: string;
      conversation_id: string;
      thumb: Thumb | "none";
      reasons: string[];
      comment: string;
    }
  | { kind: "choice"; conversation_id: string; chosen_id: string; rejected_id: string };

export type ExportFormat = "fireside" | "markdown" | "openai" | "sharegpt" | "ipynb";
