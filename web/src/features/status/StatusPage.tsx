import { useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleHelp, CircleX, Hourglass, TriangleAlert } from "lucide-react";
import { useEffect } from "react";
import { Link } from "wouter";
import { getStatus } from "@/features/status/api";
import { DayBars } from "@/features/status/DayBars";
import { Incidents } from "@/features/status/Incidents";
import type { HouseState, StatusView } from "@/lib/api/types";
import { Badge } from "@/components/page/Badge";
import { Mark } from "@/components/ui/Mark";
import { Spinner } from "@/components/ui/Spinner";
import { cx } from "@/lib/cx";
import { formatDate, formatNumber, useT } from "@/lib/i18n";
import { rungText } from "@/lib/rungs";
import { useBootstrap } from "@/lib/session";
import { formatIn } from "@/lib/waits";

/** How often the state is read again, in ms. */
const AGAIN_MS = 10_000;

const pictures = {
  ok: { icon: CircleCheck, colour: "text-good" },
  busy: { icon: Hourglass, colour: "text-ember" },
  degraded: { icon: TriangleAlert, colour: "text-ember" },
  down: { icon: CircleX, colour: "text-bad" },
  unknown: { icon: CircleHelp, colour: "text-bad" },
} as const;

/** Whether the house works, for everybody: the same figures that the gate decides by. */
export default function StatusPage() {
  const t = useT();
  const instance = useBootstrap().data?.instance_name || t("common.appName");
  const query = useQuery({
    queryKey: ["status"],
    queryFn: getStatus,
    refetchInterval: AGAIN_MS,
    refetchOnWindowFocus: true,
    staleTime: 0,
    retry: false,
  });
  const { data, isError, dataUpdatedAt } = query;
  const title = t("status.title", { instance });
  useEffect(() => {
    document.title = title;
  }, [title]);
  const time = formatDate(new Date(dataUpdatedAt).toISOString(), { timeStyle: "medium" });
  return (
    <div className="min-h-dvh bg-[radial-gradient(70rem_26rem_at_50%_-10rem,var(--fs-ember-soft),transparent_70%)]">
      <header className="mx-auto flex h-16 w-full max-w-3xl items-center gap-2 px-4 sm:px-6">
        <Mark className="size-6 shrink-0 text-ember" />
        <span className="min-w-0 truncate font-display text-xl tracking-tight">{instance}</span>
        <Link href="/" className="ms-auto shrink-0 text-sm text-ink-soft underline underline-offset-4">
          {t("status.open", { instance })}
        </Link>
      </header>
      <main
        id="main"
        aria-label={title}
        className="mx-auto flex w-full max-w-3xl flex-col gap-5 px-4 pt-6 pb-20 sm:px-6 sm:pt-10"
      >
        {data === undefined && !isError ? (
          <p role="status" className="grid min-h-40 place-items-center text-ink-faint">
            <Spinner />
            <span className="sr-only">{t("common.loading")}</span>
          </p>
        ) : (
          <Headline state={data?.state ?? "unknown"} headline={data?.headline ?? ""} />
        )}
        {data !== undefined && (
          <>
            <Now status={data} />
            <Incidents incidents={data.incidents} />
            <DayBars days={data.days} />
            <p role={isError ? "status" : undefined} className="text-center text-xs text-ink-faint">
              {t(isError ? "status.stale" : "status.updated", { time })}
            </p>
          </>
        )}
      </main>
    </div>
  );
}

function Headline({ state, headline }: { state: HouseState | "unknown"; headline: string }) {
  const t = useT();
  const { icon: Icon, colour } = pictures[state];
  return (
    <div role="status" className="flex flex-col items-center pb-3 text-center">
      <Icon size={44} strokeWidth={1.6} aria-hidden className={colour} />
      <h1 className="mt-4 font-display text-[1.9rem] leading-tight tracking-tight text-balance sm:text-[2.4rem]">
        {t(`status.state.${state}`)}
      </h1>
      <p className="mt-2 max-w-lg text-pretty text-ink-soft">
        {state === "unknown" ? t("status.unknownText") : headline}
      </p>
    </div>
  );
}

/** What waits, what is held back, and the models. */
function Now({ status }: { status: StatusView }) {
  const t = useT();
  const { paid = 0, free = 0 } = status.waiting;
  const waiting = paid + free;
  return (
    <div className="overflow-hidden rounded-2xl border bg-surface shadow-soft">
      <dl className="grid gap-px bg-line sm:grid-cols-2">
        <div className="bg-surface px-5 py-4">
          <dt className="text-sm text-ink-soft">{t("status.waiting")}</dt>
          <dd className="mt-0.5">
            <span className="text-xl font-medium tabular-nums">
              {waiting === 0 ? t("status.nobody") : formatNumber(waiting)}
            </span>
            {waiting > 0 && (
              <span className="block text-sm text-ink-faint tabular-nums">
                {formatNumber(paid)} {t("status.paid")} · {formatNumber(free)} {t("status.free")}
              </span>
            )}
          </dd>
        </div>
        <div className="bg-surface px-5 py-4">
          <dt className="text-sm text-ink-soft">{t("status.rung")}</dt>
          <dd className={cx("mt-0.5", status.rung === 0 ? "text-ink-soft" : "font-medium")}>
            {rungText(status.rung)}
          </dd>
        </div>
      </dl>
      <h2 className="border-t px-5 pt-4 font-medium">{t("status.models")}</h2>
      {status.models.length === 0 && (
        <p className="px-5 pb-4 text-sm text-ink-soft">{t("status.noModels")}</p>
      )}
      <ul aria-label={t("status.models")} className="mt-1 divide-y divide-line">
        {status.models.map((model) => (
          <li key={model.name} className="flex items-center gap-3 px-5 py-3 text-sm">
            <span className="min-w-0 flex-1 truncate">{model.title || model.name}</span>
            {model.ready && (
              <span className="text-ink-faint tabular-nums">
                {model.wait_s === null || model.wait_s < 1
                  ? t("status.noWait")
                  : t("status.wait", { wait: formatIn(model.wait_s) })}
              </span>
            )}
            <Badge look={model.ready ? "good" : "bad"}>
              <span aria-hidden className={cx("size-1.5 rounded-full", model.ready ? "bg-good" : "bg-bad")} />
              {t(model.ready ? "status.ready" : "status.notReady")}
            </Badge>
          </li>
        ))}
      </ul>
    </div>
  );
}
