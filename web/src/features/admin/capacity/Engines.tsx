import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { EmptyState } from "@/components/ui/EmptyState";
import type { EngineFigures } from "@/lib/api/types";
import { cx } from "@/lib/cx";
import { formatNumber, useT } from "@/lib/i18n";

/** Each engine as the gate sees it: what it gives it, and how fast it answers. */
export function Engines({ engines }: { engines: readonly EngineFigures[] }) {
  const t = useT();
  return (
    <Card title={t("admin.capacity.engines")} text={t("admin.capacity.enginesText")}>
      {engines.length === 0 ? (
        <EmptyState title={t("admin.capacity.noEngines")} text={t("admin.engines.noneText")} />
      ) : (
        <CardRows label={t("admin.capacity.engines")}>
          {engines.map((engine) => (
            <EngineRow key={engine.name} engine={engine} />
          ))}
        </CardRows>
      )}
    </Card>
  );
}

function EngineRow({ engine }: { engine: EngineFigures }) {
  const t = useT();
  const well = engine.ok && !engine.stalled;
  const word = engine.stalled
    ? "admin.capacity.stalled"
    : engine.ok
      ? "admin.engines.ok"
      : "admin.engines.down";
  const ms = (value: number | null) =>
    value === null
      ? "–"
      : formatNumber(value, {
          style: "unit",
          unit: "millisecond",
          maximumFractionDigits: value < 10 ? 1 : 0,
        });
  const figures = [
    [t("admin.capacity.held"), `${formatNumber(engine.running)} / ${formatNumber(engine.limit)}`],
    [t("admin.capacity.own"), engine.slots === null ? "–" : formatNumber(engine.slots)],
    [t("admin.capacity.firstToken"), ms(engine.first_token_ms)],
    [t("admin.capacity.perToken"), ms(engine.token_ms)],
    [t("admin.capacity.tokens"), formatNumber(engine.tokens_per_s, { maximumFractionDigits: 1 })],
  ] as const;
  return (
    <CardRow className="flex-wrap gap-y-2">
      <p className="flex min-w-40 flex-1 items-center gap-2">
        <span className="truncate text-sm font-medium">{engine.name}</span>
        <Badge look={well ? "good" : "bad"}>
          <span aria-hidden className={cx("size-1.5 rounded-full", well ? "bg-good" : "bg-bad")} />
          {t(word)}
        </Badge>
      </p>
      <dl className="flex flex-wrap gap-x-5 gap-y-1.5">
        {figures.map(([label, value]) => (
          <div key={label} className="min-w-16">
            <dt className="text-xs text-ink-faint">{label}</dt>
            <dd className="text-sm tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
    </CardRow>
  );
}
