import { useState, type PointerEvent } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { between, nearest, path, roundUp } from "@/features/admin/chart";
import { useForecast } from "@/features/admin/capacity/hooks";
import type { Forecast, ForecastHour } from "@/lib/api/types";
import { formatDate, formatNumber, formatPercent, useT } from "@/lib/i18n";

const WIDTH = 600;
const HEIGHT = 110;
const hourOf: Intl.DateTimeFormatOptions = { weekday: "short", hour: "2-digit", minute: "2-digit" };

/** What is expected of the next day, with how wrong such forecasts have been. */
export function ForecastCard() {
  const t = useT();
  const forecast = useForecast();
  return (
    <Card title={t("admin.forecast.title")} text={t("admin.forecast.text")}>
      <Loaded query={forecast}>
        {(data) => (
          <CardBody>
            {data.hours.length === 0 ? (
              <p className="text-sm text-ink-faint">{t("admin.forecast.none")}</p>
            ) : (
              <Hours hours={data.hours} />
            )}
            {data.hours.length > 0 && <Wrong error={data.error} />}
          </CardBody>
        )}
      </Loaded>
    </Card>
  );
}

function Wrong({ error }: { error: Forecast["error"] }) {
  const t = useT();
  if (error.mape === null || error.num_hours === 0)
    return <p className="text-sm text-ink-soft">{t("admin.forecast.unproven")}</p>;
  const values = {
    mape: formatPercent(error.mape),
    baseline: error.baseline_mape === null ? "–" : formatPercent(error.baseline_mape),
    hours: formatNumber(error.num_hours),
  };
  return <p className="text-sm text-ink-soft">{t("admin.forecast.error", values)}</p>;
}

function Hours({ hours }: { hours: readonly ForecastHour[] }) {
  const t = useT();
  const [at, setAt] = useState<number | null>(null);
  const known = hours
    .flatMap((hour) => [hour.high, hour.expected, hour.actual])
    .filter((each) => each !== null);
  const top = roundUp(Math.max(0, ...known));
  const follow = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(nearest(hours.length, event.clientX - box.left, box.width));
  };
  const busiest = hours.reduce(
    (most, hour) => ((hour.expected ?? 0) > (most.expected ?? 0) ? hour : most),
    hours[0]!,
  );
  const shown = at === null ? busiest : (hours[at] ?? busiest);
  const words = wordsOf(shown, at === null, t);
  const x = at === null || hours.length < 2 ? null : (at / (hours.length - 1)) * WIDTH;
  return (
    <figure>
      <figcaption className="min-h-10 text-sm tabular-nums sm:min-h-5">{words}</figcaption>
      <svg
        viewBox={`0 -3 ${WIDTH} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={words}
        className="mt-2 h-28 w-full touch-pan-y overflow-visible text-ember"
        onPointerMove={follow}
        onPointerLeave={() => setAt(null)}
      >
        <path
          d={`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`}
          stroke="var(--fs-line)"
          vectorEffect="non-scaling-stroke"
        />
        <path
          d={between(
            hours.map((hour) => hour.low),
            hours.map((hour) => hour.high),
            top,
            WIDTH,
            HEIGHT,
          )}
          fill="currentColor"
          opacity="0.16"
        />
        <path
          d={path(
            hours.map((hour) => hour.expected),
            top,
            WIDTH,
            HEIGHT,
          )}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.75"
          vectorEffect="non-scaling-stroke"
        />
        <path
          d={path(
            hours.map((hour) => hour.actual),
            top,
            WIDTH,
            HEIGHT,
          )}
          fill="none"
          stroke="var(--fs-ink-soft)"
          strokeDasharray="2 3"
          strokeWidth="1.5"
          vectorEffect="non-scaling-stroke"
        />
        {x !== null && (
          <path d={`M${x} 0V${HEIGHT}`} stroke="var(--fs-ink-faint)" vectorEffect="non-scaling-stroke" />
        )}
      </svg>
      <div className="mt-1 flex justify-between text-xs text-ink-faint tabular-nums" aria-hidden>
        <span>{formatDate(hours[0]!.at, hourOf)}</span>
        <span>{formatDate(hours.at(-1)!.at, hourOf)}</span>
      </div>
    </figure>
  );
}

function wordsOf(hour: ForecastHour, isBusiest: boolean, t: ReturnType<typeof useT>): string {
  const figure = (value: number) => formatNumber(value, { maximumFractionDigits: 0 });
  const when = formatDate(hour.at, hourOf);
  const { expected, low, high, actual } = hour;
  if (expected === null)
    return actual === null
      ? t("admin.forecast.unknown", { at: when })
      : t("admin.forecast.was", { at: when, actual: figure(actual) });
  const values = {
    at: when,
    expected: figure(expected),
    low: figure(low ?? 0),
    high: figure(high ?? expected),
  };
  const words = t(isBusiest ? "admin.forecast.busiest" : "admin.forecast.hour", values);
  return actual === null ? words : `${words} ${t("admin.forecast.came", { actual: figure(actual) })}`;
}
