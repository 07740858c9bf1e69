import { ApiError, errorOf } from "@/lib/api/client";

/** One server-sent event: its number, if it has one, its data, and its name where it is not a plain message. */
export interface Frame {
  id: string | null;
  data: string;
  event?: string;
}

/**
 * Cut a stream of text into server-sent events. Chunks may end anywhere, also between CR and LF.
 * Comments and `retry` fields are skipped: this server does not use them.
 */
export class FrameParser {
  private rest = "";
  private id: string | null = null;
  private event = "";
  private data: string[] = [];

  push(chunk: string): Frame[] {
    const text = this.rest + chunk;
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const frames: Frame[] = [];
    for (const line of lines) this.take(line, frames);
    return frames;
  }

  private take(line: string, frames: Frame[]): void {
    if (line === "") {
      if (this.data.length > 0) frames.push(this.frame());
      this.id = null;
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
    else if (field === "event") this.event = value;
  }

  private frame(): Frame {
    const frame = { id: this.id, data: this.data.join("\n") };
    return this.event === "" ? frame : { ...frame, event: this.event };
  }
}

/** Read one response to its end. Resolves when the server closes; throws ApiError when it is refused or cut. */
export async function readStream(
  url: string,
  signal: AbortSignal,
  take: (frame: Frame) => void,
): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { accept: "text/event-stream" },
      credentials: "same-origin",
      cache: "no-store",
      signal,
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new ApiError(0, "unreachable", "");
  }
  if (!response.ok || response.body === null) throw await errorOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new FrameParser();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        if (signal.aborted) throw cause;
        throw new ApiError(0, "stream_cut", "");
      });
      if (done) return;
      for (const frame of parser.push(value)) take(frame);
    }
  } finally {
    // Also when `take` threw: an abandoned connection would stay open.
    reader.cancel().catch(() => undefined);
  }
}

/** How long to wait before try number `attempt` (0-based), in ms: 0.25 s doubling to 8 s, with jitter. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(8000, 250 * 2 ** attempt);
  return full / 2 + (full / 2) * random();
}

/** Resolve after `ms`, or at once when the network comes back or the page is shown again. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = new AbortController();
    const done = () => {
      stop.abort();
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    const options = { signal: stop.signal };
    globalThis.addEventListener("online", done, options);
    document.addEventListener(
      "visibilitychange",
      () => document.visibilityState === "visible" && done(),
      options,
    );
    signal.addEventListener("abort", done, options);
  });
}
