/** The JSON of fireside/conversation/{message,event}.py: fields that equal their default are left out. */

export type AuthorRole = "system" | "developer" | "user" | "assistant" | "tool";
export type Channel = "final" | "analysis" | "commentary";
export type Status = "queued" | "streaming" | "complete" | "interrupted" | "failed";
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "abort";

export interface BlobRef {
  sha256: string;
  media_type: string;
  size_bytes: number;
}

export interface DisplayData {
  data: Record<string, unknown>;
  kind?: string;
  execution_count?: number | null;
}

export interface ToolError {
  name: string;
  message: string;
  traceback?: string[];
}

export type TextPart = { type: "text"; text?: string };
export type ReasoningPart = { type: "reasoning"; text?: string };
export type CodePart = { type: "code"; language?: string; source?: string };
export type ToolCallPart = { type: "tool_call"; id: string; name: string; arguments?: string };
export type ToolResultPart = {
  type: "tool_result";
  call_id: string;
  name?: string;
  text?: string;
  stdout?: string;
  stderr?: string;
  display?: DisplayData[];
  error?: ToolError | null;
};
export type ImagePart = { type: "image"; blob?: BlobRef; url?: string; alt?: string; detail?: string };
export type AudioPart = { type: "audio"; blob: BlobRef; transcript?: string };
export type FilePart = { type: "file"; blob: BlobRef; name?: string; extracted_text?: string };
export type CitationPart = {
  type: "citation";
  source_id: string;
  quote?: string;
  url?: string;
  title?: string;
  start?: number;
  end?: number;
};

export type Part =
  | TextPart
  | CodePart
  | ReasoningPart
  | ImagePart
  | AudioPart
  | FilePart
  | ToolCallPart
  | ToolResultPart
  | CitationPart;

export interface Usage {
  prompt_tokens?: number;
  cached_tokens?: number;
  completion_tokens?: number;
  ttft_ms?: number | null;
  inter_token_ms?: number | null;
}

export interface MessageError {
  code: string;
  message: string;
  hint?: string;
}

export interface Message {
  id: string;
  author: { role: AuthorRole; name?: string };
  parts?: Part[];
  parent_id?: string;
  recipient?: string;
  channel?: Channel;
  status?: Status;
  end_turn?: boolean;
  weight?: number;
  model?: string;
  release?: string;
  adapter?: string;
  usage?: Usage;
  finish_reason?: FinishReason;
  error?: MessageError;
  created_at?: string;
  updated_at?: string;
  deleted?: boolean;
  provider_data?: Record<string, unknown>;
}

export type StreamEvent =
  | { type: "message_start"; message: Message }
  | { type: "part_start"; index: number; part: Part }
  | { type: "text_delta"; index: number; text: string }
  | { type: "tool_call_delta"; index: number; arguments: string }
  | { type: "part_end"; index: number }
  | { type: "usage"; usage: Usage }
  | { type: "finish"; reason: FinishReason }
  | { type: "failure"; code: string; message: string; hint?: string }
  | { type: "snapshot"; message: Message }
  | { type: "title"; conversation_id: string; title: string };

/** The text a person would read aloud: the text parts in order, joined by blank lines. */
export function textOf(message: Message): string {
  return (message.parts ?? [])
    .flatMap((part) => (part.type === "text" ? [part.text ?? ""] : []))
    .join("\n\n");
}

/** A message that is still being written. */
export function isRunning(message: Message): boolean {
  return message.status === "streaming" || message.status === "queued";
}
