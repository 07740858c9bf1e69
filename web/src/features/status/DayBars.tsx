import { useState, type KeyboardEvent, type PointerEvent } from "react";
import { lookOf, shownShare, upShare, type DayLook } from "@/features/status/days";
import type { DayStatus } from "@/lib/api/types";
import { cx } from "@/lib/cx";
import { formatDate, formatNumber, useT } from "@/lib/i18n";
import { formatSpan } from "@/lib/spans";

const looks: Record<DayLook, string> = {
  none: "bg-line",
  good: "bg-good",
  degraded: "bg-ember",
  down: "bg-bad",
};
/** Heights say the same as colours do. */
const heights: Record<DayLook, string> = {
  none: "h-1/2",
  good: "h-full",
  degraded: "h-3/4",
  down: "h-1/4",
};

const dayDate: Intl.DateTimeFormatOptions = { month: "short", day: "numeric", timeZone: "UTC" };

/** One bar for each day; the day that is pointed at is told in words below. */
export function DayBars({ days }: { days: readonly DayStatus[] }) {
  const t = useT();
  const [at, setAt] = useState<number | null>(null);
  const share = upShare(days);
  const shown = at === null ? null : (days[Math.min(at, days.length - 1)] ?? null);
  const last = days.length - 1;

  const point = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * days.length);
    setAt(Math.min(last, Math.max(0, place)));
  };
  const walk = (event: KeyboardEvent) => {
    const now = at ?? last;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    setAt(Math.min(last, Math.max(0, next)));
  };
  if (days.length === 0) return null;
  const words = (day: DayStatus) => `${formatDate(day.date, dayDate)}: ${aboutDay(day, t)}`;
  return (
    <section aria-labelledby="days" className="rounded-2xl border bg-surface p-5 shadow-soft">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <h2 id="days" className="font-medium">
          {t("status.days", { count: days.length })}
        </h2>
        {share !== null && (
          <p className="text-sm text-ink-soft tabular-nums">
            {t("status.up", {
              share: formatNumber(shownShare(share), { style: "percent", maximumFractionDigits: 2 }),
            })}
          </p>
        )}
      </div>
      <div
        role="slider"
        tabIndex={0}
        aria-labelledby="days"
        aria-valuemin={1}
        aria-valuemax={days.length}
        aria-valuenow={(at ?? last) + 1}
        aria-valuetext={words(days[at ?? last]!)}
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => setAt(null)}
        onBlur={() => setAt(null)}
        onKeyDown={walk}
        className="mt-4 flex h-10 touch-pan-y items-end gap-px rounded-md outline-offset-4 sm:gap-[2px]"
      >
        {days.map((day, index) => {
          const look = lookOf(day);
          return (
            <span
              key={day.date}
              className={cx(
                "min-w-0 flex-1 rounded-[2px] transition-opacity",
                looks[look],
                heights[look],
                at !== null && at !== index && "opacity-45",
              )}
            />
          );
        })}
      </div>
      <div className="mt-1.5 flex justify-between text-xs text-ink-faint">
        <span>{t("status.dayAgo", { count: last })}</span>
        <span>{t("status.dayNow")}</span>
      </div>
      <p className="mt-3 min-h-10 text-sm text-ink-soft tabular-nums sm:min-h-5">
        {shown === null ? <span className="text-ink-faint">{t("status.daysHint")}</span> : words(shown)}
      </p>
    </section>
  );
}

function aboutDay(day: DayStatus, t: ReturnType<typeof useT>): string {
  const look = lookOf(day);
  if (look === "none") return t("status.day.none");
  const minutes = look === "down" ? day.minutes_down : day.minutes_degraded;
  const what = t(`status.day.${look}`, { span: formatSpan(minutes * 60) });
  const figures = t("status.day.figures", {
    served: formatNumber(day.served),
    refused: formatNumber(day.refused),
  });
  return `${what} ${figures}`;
}
