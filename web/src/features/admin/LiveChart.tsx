import { useId, useState, type PointerEvent } from "react";
import { chart, nearest } from "@/features/admin/chart";
import { formatDate, formatNumber, useT } from "@/lib/i18n";

const WIDTH = 300;
const HEIGHT = 72;

export interface LiveChartProps<T extends { at: string }> {
  label: string;
  steps: readonly T[];
  value: (step: T) => number;
  digits?: number;
}

const time: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

/** Five minutes of one figure as a line; the value under the pointer is said beside the name. */
export function LiveChart<T extends { at: string }>({ label, steps, value, digits = 0 }: LiveChartProps<T>) {
  const t = useT();
  const fade = useId();
  const [at, setAt] = useState<number | null>(null);
  const values = steps.map(value);
  const { line, area, points } = chart(values, WIDTH, HEIGHT);
  const show = (one: number) => formatNumber(one, { maximumFractionDigits: digits });
  const now = values.at(-1) ?? 0;
  const shown = at === null ? values.length - 1 : Math.min(at, values.length - 1);
  const point = points[shown];
  const step = steps[shown];

  const follow = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(nearest(values.length, event.clientX - box.left, box.width));
  };

  return (
    <figure className="rounded-2xl border bg-surface p-4 shadow-soft">
      <figcaption className="flex items-baseline justify-between gap-3">
        <span className="text-sm text-ink-soft">{label}</span>
        <span className="text-xs text-ink-faint tabular-nums">
          {at !== null && step !== undefined ? formatDate(step.at, time) : t("admin.overview.now")}
        </span>
      </figcaption>
      <p className="font-display text-3xl tabular-nums">{show(values[shown] ?? 0)}</p>
      <svg
        viewBox={`0 -3 ${WIDTH} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t("admin.overview.chart", { label, now: show(now), most: show(Math.max(0, ...values)) })}
        className="mt-2 h-20 w-full touch-pan-y overflow-visible text-ember"
        onPointerMove={follow}
        onPointerLeave={() => setAt(null)}
      >
        <defs>
          <linearGradient id={fade} x1="0" y1="0" x2="0" y2="1">
            <stop offset="0" stopColor="currentColor" stopOpacity="0.22" />
            <stop offset="1" stopColor="currentColor" stopOpacity="0" />
          </linearGradient>
        </defs>
        <path
          d={`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`}
          stroke="var(--fs-line)"
          vectorEffect="non-scaling-stroke"
        />
        <path d={area} fill={`url(#${fade})`} />
        <path
          d={line}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.75"
          strokeLinejoin="round"
          vectorEffect="non-scaling-stroke"
        />
        {at !== null && point !== undefined && (
          <path
            d={`M${point.x} 0V${HEIGHT}`}
            stroke="var(--fs-ink-faint)"
            strokeDasharray="2 3"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
      <div className="mt-1 flex justify-between text-xs text-ink-faint tabular-nums" aria-hidden>
        <span>{t("admin.overview.ago")}</span>
        <span>{t("admin.overview.most", { most: show(Math.max(0, ...values)) })}</span>
      </div>
    </figure>
  );
}
