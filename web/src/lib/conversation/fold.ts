/** Fold stream events into a message, as fireside/conversation/fold.py does; tests/golden/streams holds both to it. */
import type { Message, Part, StreamEvent } from "@/lib/conversation/types";
import { isRunning } from "@/lib/conversation/types";

/** An event that does not fit the message: the server and the page disagree about what was said. */
export class FoldError extends Error {
  override readonly name = "FoldError";
}

/** Accumulates one message. Appending a delta costs the delta; `message()` costs one join. */
export class Fold {
  private base: Message;
  private parts: Part[];
  private pieces: string[] = [];
  ended = false;

  constructor(message: Message) {
    this.base = message;
    this.parts = [...(message.parts ?? [])];
  }

  get id(): string {
    return this.base.id;
  }

  apply(event: StreamEvent): void {
    if (this.ended && event.type !== "title") throw new FoldError("event after the end");
    switch (event.type) {
      case "text_delta":
        this.checkLast(event.index, ["text", "reasoning", "code"]);
        this.pieces.push(event.text);
        break;
      case "tool_call_delta":
        this.checkLast(event.index, ["tool_call"]);
        this.pieces.push(event.arguments);
        break;
      case "part_start":
        this.flush();
        if (event.index !== this.parts.length) throw new FoldError("part out of order");
        this.parts.push(event.part);
        break;
      case "part_end":
        this.flush();
        if (event.index !== this.parts.length - 1) throw new FoldError("part end misplaced");
        break;
      case "usage":
        this.base = { ...this.base, usage: event.usage };
        break;
      case "finish":
        this.end(event.reason === "abort" ? "interrupted" : "complete", { finish_reason: event.reason });
        break;
      case "failure": {
        const { code, message, hint } = event;
        this.end("failed", { error: { code, message, ...(hint ? { hint } : {}) } });
        break;
      }
      case "message_start":
      case "snapshot":
        this.base = event.message;
        this.parts = [...(event.message.parts ?? [])];
        this.pieces = [];
        this.ended = !isRunning(event.message);
        break;
      case "title":
        break;
      default:
        event satisfies never;
    }
  }

  /** The message as it stands; parts that did not change keep their identity. */
  message(): Message {
    this.flush();
    const { parts: _, ...rest } = this.base;
    return this.parts.length === 0 ? rest : { ...rest, parts: [...this.parts] };
  }

  private checkLast(index: number, kinds: Part["type"][]): void {
    const last = this.parts.at(-1);
    if (index !== this.parts.length - 1 || last === undefined || !kinds.includes(last.type)) {
      throw new FoldError("delta misplaced");
    }
  }

  private flush(): void {
    if (this.pieces.length === 0) return;
    const more = this.pieces.join("");
    this.pieces = [];
    this.parts[this.parts.length - 1] = grown(this.parts.at(-1)!, more);
  }

  private end(status: "complete" | "interrupted" | "failed", changes: Partial<Message>): void {
    this.flush();
    const { status: _, ...rest } = this.base;
    // A field that holds its default is absent, on the wire as here.
    this.base = { ...rest, ...(status === "complete" ? {} : { status }), ...changes };
    this.ended = true;
  }
}

function grown(part: Part, more: string): Part {
  if (part.type === "code") return { ...part, source: (part.source ?? "") + more };
  if (part.type === "tool_call") return { ...part, arguments: (part.arguments ?? "") + more };
  if (part.type === "text" || part.type === "reasoning") return { ...part, text: (part.text ?? "") + more };
  return part;
}
