import { Card, CardBody } from "@/components/page/Card";
import type { PlanFigures } from "@/lib/api/types";
import { cx } from "@/lib/cx";
import { formatNumber, useT } from "@/lib/i18n";
import { planTitle } from "@/lib/plans";

/** Whom each plan has in the house now. */
export function PlansNow({ plans }: { plans: Record<string, PlanFigures> }) {
  const t = useT();
  const rows = Object.entries(plans);
  if (rows.length === 0) return null;
  return (
    <Card title={t("admin.capacity.plans")}>
      <CardBody className="overflow-x-auto">
        <table className="w-full text-sm tabular-nums">
          <thead>
            <tr className="text-xs text-ink-faint">
              <th className="py-1 text-start font-normal">{t("admin.capacity.plan")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.running")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.waiting")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.refused1m")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, figures]) => (
              <tr key={name} className="border-t">
                <th className="py-1.5 text-start font-normal">{planTitle(name)}</th>
                <td className="py-1.5 ps-3 text-end">{formatNumber(figures.running)}</td>
                <td className="py-1.5 ps-3 text-end">{formatNumber(figures.waiting)}</td>
                <td className={cx("py-1.5 ps-3 text-end", figures.refused_1m > 0 && "text-bad")}>
                  {formatNumber(figures.refused_1m)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </CardBody>
    </Card>
  );
}
