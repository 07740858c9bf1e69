/** Where a reply that has not begun stands in line: the `queue` frames of a turn's stream. */

export interface SmallerModelChoice {
  kind: "smaller_model";
  model: string;
  title: string;
  wait_s: number;
}

/** What a person may decide instead of waiting. */
export type QueueChoice = SmallerModelChoice | { kind: "later" };

/** Why it waits; further reasons may come, and are said in general words. */
export type QueueReason =
  | "wait_too_long"
  | "not_this_hour"
  | "later_only"
  | "too_many_waiting"
  | "patience_over"
  | "no_engine"
  | (string & {});

export interface PlaceInLine {
  /** 1 is next; 0 begins now. */
  place: number;
  /** The expected wait in seconds; null while no engine is there. */
  low_s: number | null;
  likely_s: number | null;
  high_s: number | null;
  /** `later`: it was put aside, and the answer comes when there is room. */
  mode: "waiting" | "later";
  reason: QueueReason | null;
  choices: QueueChoice[];
}

/** What a frame says; null when it cannot be read, which is no reason to stop reading the reply. */
export function readPlaceInLine(data: string): PlaceInLine | null {
  try {
    const said = JSON.parse(data) as Partial<PlaceInLine> | null;
    if (said === null || typeof said.place !== "number") return null;
    return {
      place: said.place,
      low_s: said.low_s ?? null,
      likely_s: said.likely_s ?? null,
      high_s: said.high_s ?? null,
      mode: said.mode === "later" ? "later" : "waiting",
      reason: said.reason ?? null,
      choices: said.choices ?? [],
    };
  } catch {
    return null;
  }
}

/** Nobody is there to answer: the wait cannot be known. It can be unknown for a moment otherwise, too. */
export function hasNoEngine(place: PlaceInLine): boolean {
  return place.reason === "no_engine";
}
