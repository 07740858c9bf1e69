import { Card, CardBody } from "@/components/page/Card";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";
import { NUM_RUNGS, rungText } from "@/lib/rungs";

/** The rungs of the ladder, and on which one the house stands. */
export function LadderSteps({ rung }: { rung: number }) {
  const t = useT();
  const rungs = Array.from({ length: NUM_RUNGS }, (_, index) => index);
  return (
    <Card title={t("admin.capacity.ladder")} text={t("admin.capacity.ladderText")}>
      <CardBody>
        <ol className="flex flex-col gap-1">
          {rungs.map((each) => (
            <li
              key={each}
              aria-current={each === rung ? "step" : undefined}
              className={cx(
                "flex items-center gap-3 rounded-lg px-3 py-1.5 text-sm",
                each === rung ? "bg-ember-soft font-medium" : "text-ink-faint",
              )}
            >
              <span
                aria-hidden
                className={cx(
                  "size-2.5 shrink-0 rounded-full border",
                  each === 0 && rung === 0 && "border-good bg-good",
                  each > 0 && each <= rung && "border-ember bg-ember",
                  (each > rung || (each === 0 && rung > 0)) && "border-line-strong",
                )}
              />
              <span className="w-4 shrink-0 tabular-nums">{each}</span>
              {rungText(each)}
            </li>
          ))}
        </ol>
      </CardBody>
    </Card>
  );
}
