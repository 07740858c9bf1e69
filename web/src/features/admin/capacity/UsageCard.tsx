import { useState } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Select } from "@/components/ui/Select";
import { Tabs } from "@/components/ui/Tabs";
import { useUsage } from "@/features/admin/capacity/hooks";
import type { UsageBy, UsageShare } from "@/lib/api/types";
import { formatNumber, useT } from "@/lib/i18n";
import { planTitle } from "@/lib/plans";
import { formatSpan } from "@/lib/spans";

const BY: readonly UsageBy[] = ["plan", "feature", "user", "model"];
const DAYS = [1, 7, 30] as const;
const SHOWN = 12;

/** Where the engines' seconds went. */
export function UsageCard() {
  const t = useT();
  const [by, setBy] = useState<UsageBy>("plan");
  const [days, setDays] = useState(1);
  return (
    <Card
      title={t("admin.usage.title")}
      text={t("admin.usage.text")}
      action={
        <Select
          label={t("admin.usage.span")}
          labelHidden
          value={String(days)}
          onValueChange={(value) => setDays(Number(value))}
          options={DAYS.map((count) => ({
            value: String(count),
            label: t("admin.usage.days", { count }),
          }))}
        />
      }
    >
      <CardBody className="pt-1">
        <Tabs
          label={t("admin.usage.title")}
          value={by}
          onValueChange={(value) => setBy(BY.find((each) => each === value) ?? "plan")}
          tabs={BY.map((each) => ({
            value: each,
            label: t(`admin.usage.by.${each}`),
            content: each === by ? <Rows by={by} days={days} /> : null,
          }))}
        />
      </CardBody>
    </Card>
  );
}

function Rows({ by, days }: { by: UsageBy; days: number }) {
  const t = useT();
  const usage = useUsage(by, days);
  return (
    <Loaded query={usage}>
      {({ rows }) => {
        if (rows.length === 0) return <p className="text-sm text-ink-faint">{t("admin.usage.none")}</p>;
        const sorted = [...rows].sort((a, b) => b.engine_s - a.engine_s).slice(0, SHOWN);
        const most = Math.max(1e-9, ...sorted.map((row) => row.engine_s));
        return (
          <ul className="flex flex-col gap-3">
            {sorted.map((row) => (
              <Row key={row.name} row={row} share={row.engine_s / most} by={by} />
            ))}
          </ul>
        );
      }}
    </Loaded>
  );
}

function Row({ row, share, by }: { row: UsageShare; share: number; by: UsageBy }) {
  const t = useT();
  const name = row.name === "" ? t("admin.usage.nobody") : by === "plan" ? planTitle(row.name) : row.name;
  return (
    <li className="text-sm">
      <p className="flex items-baseline justify-between gap-4">
        <span className="min-w-0 truncate">{name}</span>
        <span className="shrink-0 font-medium tabular-nums">{formatSpan(row.engine_s)}</span>
      </p>
      <div aria-hidden className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
        <div className="h-full rounded-full bg-ember" style={{ width: `${share * 100}%` }} />
      </div>
      <p className="mt-1 text-xs text-ink-faint tabular-nums">
        {t("admin.usage.figures", {
          replies: formatNumber(row.num_generations),
          tokens: formatNumber(row.completion_tokens),
        })}
      </p>
    </li>
  );
}
