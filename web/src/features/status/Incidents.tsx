import { Badge } from "@/components/page/Badge";
import type { Incident } from "@/lib/api/types";
import { formatDateTime, useT } from "@/lib/i18n";

/** What was reported: open incidents whole, earlier ones folded. */
export function Incidents({ incidents }: { incidents: readonly Incident[] }) {
  const t = useT();
  const open = incidents.filter((one) => one.state !== "resolved");
  const past = incidents.filter((one) => one.state === "resolved");
  return (
    <section aria-labelledby="incidents" className="rounded-2xl border bg-surface p-5 shadow-soft">
      <h2 id="incidents" className="font-medium">
        {t("status.incidents")}
      </h2>
      {incidents.length === 0 && <p className="mt-1 text-sm text-ink-soft">{t("status.noIncidents")}</p>}
      {open.map((one) => (
        <article key={one.id} aria-label={one.title} className="mt-4">
          <Head incident={one} />
          <Updates incident={one} />
        </article>
      ))}
      {past.length > 0 && (
        <div className="mt-4">
          {open.length > 0 && <h3 className="text-sm font-medium text-ink-soft">{t("status.past")}</h3>}
          {past.map((one) => (
            <details key={one.id} className="border-t py-3 first-of-type:mt-2">
              <summary className="rounded-md">
                <Head incident={one} inline />
              </summary>
              <Updates incident={one} />
            </details>
          ))}
        </div>
      )}
    </section>
  );
}

function Head({ incident, inline = false }: { incident: Incident; inline?: boolean }) {
  const t = useT();
  const { title, state, opened_at: from, resolved_at: to } = incident;
  const when =
    to === null
      ? t("status.opened", { date: formatDateTime(from) })
      : t("status.lasted", { from: formatDateTime(from), to: formatDateTime(to) });
  const look = state === "resolved" ? "good" : state === "monitoring" ? "ember" : "bad";
  return (
    <span className={inline ? "inline-block w-[calc(100%-1.25rem)] align-top" : "block"}>
      <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
        <span className="font-medium">{title}</span>
        <Badge look={look}>{t(`status.incident.${state}`)}</Badge>
      </span>
      <span className="mt-0.5 block text-sm text-ink-faint">{when}</span>
    </span>
  );
}

function Updates({ incident }: { incident: Incident }) {
  const t = useT();
  const newestFirst = [...incident.updates].sort((a, b) => b.at.localeCompare(a.at));
  return (
    <ol className="mt-3 flex flex-col gap-3 border-s-2 border-line ps-4">
      {newestFirst.map((update) => (
        <li key={update.at + update.text} className="text-sm">
          <p className="text-xs text-ink-faint">
            <time dateTime={update.at}>{formatDateTime(update.at)}</time> ·{" "}
            {t(`status.incident.${update.state}`)}
          </p>
          <p className="mt-0.5 text-pretty whitespace-pre-line text-ink-soft">{update.text}</p>
        </li>
      ))}
    </ol>
  );
}
