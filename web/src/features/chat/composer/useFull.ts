import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "@/lib/api/client";

/** How long to wait where the server named no time, in s. */
const UNKNOWN_S = 15;

/** There is no room for a message just now. */
export interface Full {
  /** What the server said; null while there is room. */
  error: ApiError | null;
  /** Seconds until it is worth trying again; 0 when it is. */
  leftS: number;
  /** The person asked to send it as soon as there is room. */
  auto: boolean;
  setAuto: (auto: boolean) => void;
  /** Whether a failure means that there is no room; it is shown then. */
  take: (error: unknown) => boolean;
  clear: () => void;
}

/** A refusal that passes by itself, and says when: too many at once, or no engine. Anything else is a failure. */
export function isFull(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false;
  return error.status === 429 || (error.status === 503 && error.retryAfterS !== null);
}

/** Keeps the time until a refused message may be sent again. `send` is called only if the person asked for it. */
export function useFull(send: () => void): Full {
  const [refusal, setRefusal] = useState<{ error: ApiError; until: number } | null>(null);
  const [auto, setAuto] = useState(false);
  const [now, setNow] = useState(() => Date.now());
  const sender = useRef(send);
  useEffect(() => {
    sender.current = send;
  });
  const until = refusal?.until ?? null;
  const leftS = until === null ? 0 : Math.max(0, (until - now) / 1000);
  const counting = leftS > 0;

  useEffect(() => {
    if (!counting) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [counting]);

  const due = until !== null && !counting && auto;
  useEffect(() => {
    if (due) sender.current();
  }, [due]);

  const take = useCallback((error: unknown) => {
    if (!isFull(error)) return false;
    const at = Date.now();
    // A little apart from everyone who was refused in the same moment.
    const waitMs = (error.retryAfterS ?? UNKNOWN_S) * 1000 + Math.random() * 500;
    setNow(at);
    setRefusal({ error, until: at + waitMs });
    return true;
  }, []);
  const clear = useCallback(() => {
    setRefusal(null);
    setAuto(false);
  }, []);
  return { error: refusal?.error ?? null, leftS, auto, setAuto, take, clear };
}
