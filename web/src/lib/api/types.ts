/**
 * The bodies of our own HTTP interface. They come from the server's OpenAPI document (`npm run types`);
 * only messages are written by hand, in lib/conversation/types.ts, where the golden streams hold them.
 * Times are ISO-8601 strings in UTC.
 */
import type { components } from "@/lib/api/schema";
import type { Message } from "@/lib/conversation/types";

type Schemas = components["schemas"];

/** The server always says these; in what it is told they may be left out. */
type Said<T> = { [K in keyof T]-?: T[K] };

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type Theme = Schemas["Theme"];
export type Role = Schemas["UserRole"];
export type SignUpMode = Schemas["SignUpMode"];
export type CustomInstructions = Said<Schemas["CustomInstructions"]>;
export type Preferences = Omit<Said<Schemas["Preferences"]>, "custom_instructions"> & {
  custom_instructions: CustomInstructions;
};
export type Me = Omit<Schemas["Me"], "preferences"> & { preferences: Preferences };
export type Bootstrap = Omit<Schemas["BootstrapOut"], "user"> & { user: Me | null };

export type ConversationView = Schemas["ConversationView"];
export type ConversationPatch = Schemas["ConversationPatch"];
export type RunningTurn = Schemas["RunningTurn"];
export type Folder = Schemas["Folder"];
export type Share = Schemas["ShareOut"];
export type SearchHit = Schemas["SearchHit"];
export type ImportReport = Said<Schemas["ImportReport"]>;
export type ExportFormat = Schemas["ExportFormat"];
export type PublicModel = Schemas["PublicModel"];
export type PreparingModel = Schemas["Preparing"];
export type Models = Schemas["ModelsView"];

export interface MessageView {
  message: Message;
  siblings: string[];
}

export type OpenConversation = Omit<Schemas["OpenConversation"], "messages" | "thumbs"> & {
  messages: MessageView[];
  thumbs: Record<string, Thumb>;
};

export type SharedConversation = Omit<Schemas["SharedPage"], "messages"> & { messages: Message[] };

export type TurnAsk =
  | Schemas["Send"]
  | Schemas["Regenerate"]
  | Schemas["Continue"]
  | (Omit<Schemas["Temporary"], "messages"> & { messages: Message[] });

export type TurnStarted = Omit<Schemas["TurnStarted"], "user_message" | "message"> & {
  user_message: MessageView | null;
  message: MessageView;
};

/** What /api/feed tells; OpenAPI has no words for streams. */
export type FeedEvent =
  | { type: "conversation"; conversation: ConversationView }
  | { type: "turn"; turn: RunningTurn }
  | { type: "title"; conversation_id: string; title: string }
  | { type: "turn_ended"; turn_id: string; conversation_id: string | null }
  | { type: "conversation_deleted"; id: string }
  | { type: "models" }
  | { type: "resync" };

/** A thumb that is there; taking one back is `none`. */
export type Thumb = Exclude<Schemas["Thumb"], "none">;
export type FeedbackReason = Schemas["Reason"];
export type FeedbackIn = Schemas["ThumbIn"] | Schemas["ChoiceIn"];

export type Band = Schemas["Band"];
export type BandPolicy = Said<Schemas["BandPolicy"]>;
export type PlanPolicy = Said<Schemas["PlanPolicy"]>;
export type Ladder = Said<Schemas["Ladder"]>;
export type Policy = Omit<Said<Schemas["Policy"]>, "bands" | "plans" | "ladder"> & {
  bands: Record<string, BandPolicy>;
  plans: Record<string, PlanPolicy>;
  ladder: Ladder;
};
export type PolicyChange = Schemas["PolicyChange"];
export type PolicyView = Omit<Schemas["PolicyView"], "policy"> & { policy: Policy };
export type OwnPlan = Omit<Schemas["OwnPlan"], "limits"> & { limits: PlanPolicy };

export type PoolFigures = Said<Schemas["PoolFigures"]>;
export type EngineFigures = Said<Schemas["EngineFigures"]>;
export type Moment = Said<Schemas["Moment"]>;
export type PlanFigures = Said<Schemas["PlanFigures"]>;
export interface CapacityView extends Omit<
  Said<Schemas["CapacityView"]>,
  "pools" | "engines" | "series" | "plans"
> {
  pools: PoolFigures[];
  engines: EngineFigures[];
  series: Moment[];
  plans: Record<string, PlanFigures>;
}
export type UsageBy = Schemas["UsageBy"];
export type UsageShare = Schemas["UsageShare"];

export type IncidentState = Schemas["IncidentState"];
export type Incident = Said<Schemas["Incident"]>;
export type DayStatus = Schemas["DayStatus"];
export type HouseState = Schemas["HouseState"];
export type StatusView = Omit<Schemas["StatusView"], "incidents"> & { incidents: Incident[] };

/** Turns that are expected in each hour; `mape` is how far off such forecasts were, as a share. */
export type Forecast = Omit<Schemas["Outlook"], "error" | "hours"> & {
  error: Said<Schemas["ForecastError"]>;
  hours: ForecastHour[];
};
export type ForecastHour = Said<Schemas["HourOutlook"]>;
