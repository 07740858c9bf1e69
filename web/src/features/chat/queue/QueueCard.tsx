import { Bell, BellRing, Hourglass, Moon, PlugZap, Zap } from "lucide-react";
import { useState, type ReactNode } from "react";
import { attempt, useThread } from "@/features/chat/actions";
import { canNotify, isWanted, wantNotice } from "@/features/chat/queue/notify";
import { barSpanS, waitBand } from "@/features/chat/queue/waitBand";
import { headline, reasonOf, waitOf } from "@/features/chat/queue/words";
import { Button } from "@/components/ui/Button";
import { toast } from "@/components/ui/Toast";
import type { LineChoice } from "@/features/chat/api";
import { hasNoEngine, type PlaceInLine, type QueueChoice } from "@/lib/conversation/queue";
import { useT } from "@/lib/i18n";
import { formatIn } from "@/lib/waits";

/** In place of the first word: where the question stands in line, and what can be done instead of waiting. */
export function QueueCard({ messageId, place }: { messageId: string; place: PlaceInLine }) {
  const t = useT();
  const later = place.mode === "later";
  const away = !later && hasNoEngine(place);
  const wait = waitOf(place);
  const reason = reasonOf(place);
  const icon = later ? <Moon size={17} /> : away ? <PlugZap size={17} /> : <Hourglass size={17} />;
  return (
    <section
      aria-label={t("chat.queue.label")}
      data-queue={place.mode}
      className="my-1 flex max-w-[34rem] animate-rise flex-col gap-3 rounded-2xl border bg-surface px-4 py-3.5 shadow-soft"
    >
      <div className="flex items-start gap-3">
        <span aria-hidden className="mt-0.5 shrink-0 text-ember">
          {icon}
        </span>
        <div className="min-w-0 flex-1">
          <p className="font-medium tabular-nums">{headline(place)}</p>
          {wait !== null && !away && (
            <p className="text-sm text-ink-soft tabular-nums">{t("chat.queue.wait", { wait })}</p>
          )}
          {reason !== null && <p className="mt-0.5 text-sm text-pretty text-ink-soft">{reason}</p>}
        </div>
      </div>
      {!later && !away && <Bar place={place} />}
      <Choices messageId={messageId} place={place} />
    </section>
  );
}

/** The wait as a band that moves towards "now" and narrows: never a promise, never a spinner. */
function Bar({ place }: { place: PlaceInLine }) {
  const t = useT();
  const [span, setSpan] = useState(0);
  const longest = barSpanS(place, span);
  if (longest !== span) setSpan(longest);
  const band = waitBand(place, longest);
  if (band === null) return null;
  const percent = (share: number) => `${share * 100}%`;
  return (
    <div aria-hidden className="px-0.5">
      <div className="relative h-2 overflow-hidden rounded-full bg-sunken">
        <div
          className="absolute inset-y-0 rounded-full bg-ember/35 transition-[left,width] duration-1000 ease-linear"
          style={{ left: percent(band.start), width: percent(band.width) }}
        />
        <div
          className="absolute inset-y-0 w-1 -translate-x-1/2 rounded-full bg-ember transition-[left] duration-1000 ease-linear"
          style={{ left: percent(band.likely) }}
        />
      </div>
      <div className="mt-1 flex justify-between text-xs text-ink-faint tabular-nums">
        <span>{t("chat.queue.now")}</span>
        <span>{formatIn(longest).replace(/^[^\d]+/u, "")}</span>
      </div>
    </div>
  );
}

function Choices({ messageId, place }: { messageId: string; place: PlaceInLine }) {
  const t = useT();
  const { session } = useThread();
  const [deciding, setDeciding] = useState<string | null>(null);
  const choose = (name: string, choice: LineChoice) => {
    setDeciding(name);
    attempt(
      () => session.choose(messageId, choice).finally(() => setDeciding(null)),
      t("chat.queue.chooseFailed"),
    );
  };
  const button = (choice: QueueChoice): ReactNode => {
    if (choice.kind === "later") {
      return (
        <Button
          key="later"
          size="sm"
          busy={deciding === "later"}
          disabled={deciding !== null && deciding !== "later"}
          onClick={() => choose("later", { choice: "later" })}
        >
          {t("chat.queue.finishWithout")}
        </Button>
      );
    }
    const words = { model: choice.title || choice.model, wait: formatIn(choice.wait_s) };
    return (
      <Button
        key={choice.model}
        size="sm"
        className="max-w-full"
        busy={deciding === choice.model}
        disabled={deciding !== null && deciding !== choice.model}
        onClick={() => choose(choice.model, { choice: "smaller_model", model: choice.model })}
      >
        {deciding !== choice.model && <Zap size={14} aria-hidden className="text-ember" />}
        <span className="truncate">
          {t(choice.wait_s < 1.5 ? "chat.queue.smallerNow" : "chat.queue.smallerSoon", words)}
        </span>
      </Button>
    );
  };
  const notice = place.mode === "later" && session.id !== null && canNotify();
  if (place.choices.length === 0 && !notice) return null;
  return (
    <div className="flex flex-wrap gap-2">
      {/* Smaller models come and go: last, so that nothing moves under the pointer. */}
      {place.mode === "waiting" && place.choices.filter((each) => each.kind === "later").map(button)}
      {notice && <Notice conversationId={session.id!} />}
      {place.choices.filter((each) => each.kind !== "later").map(button)}
    </div>
  );
}

/** A browser notification when the answer is here. The browser is asked only when the person presses. */
function Notice({ conversationId }: { conversationId: string }) {
  const t = useT();
  const [on, setOn] = useState(() => isWanted(conversationId));
  const ask = async () => {
    const given = await wantNotice(conversationId);
    setOn(given);
    if (!given) toast({ title: t("chat.queue.notifyBlocked") });
  };
  if (on) {
    return (
      <p role="status" className="flex items-center gap-2 py-1 text-sm text-ink-soft">
        <BellRing size={15} aria-hidden className="text-ember" />
        {t("chat.queue.notifyOn")}
      </p>
    );
  }
  return (
    <Button size="sm" onClick={() => void ask()}>
      <Bell size={14} aria-hidden />
      {t("chat.queue.notify")}
    </Button>
  );
}
