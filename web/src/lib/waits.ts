import { formatNumber, formatRange, t } from "@/lib/i18n";

const UNITS = [
  ["second", 1, 90],
  ["minute", 60, 5400],
  ["hour", 3600, 129_600],
  ["day", 86_400, Infinity],
] as const;

/** Seconds as people count them: every one up to 20, then by fives. */
function calm(count: number): number {
  return count <= 20 ? Math.round(count) : Math.round(count / 5) * 5;
}

/** A wait as a span: "about 5–12 sec", "about 2–4 min". What is nearly over is "any moment now". */
export function formatWait(lowS: number, highS: number): string {
  if (highS < 1.5) return t("common.wait.now");
  const [unit, size] = UNITS.find(([, , upTo]) => highS < upTo)!;
  const count = (seconds: number) => (unit === "second" ? calm(seconds) : Math.round(seconds / size));
  const high = Math.max(1, count(highS));
  const low = Math.min(high, Math.max(unit === "second" ? 1 : 0, count(lowS)));
  const options = { style: "unit", unit, unitDisplay: "short" } as const;
  // "0–2 min" would promise nothing: it is "up to 2 min".
  if (low === 0) return t("common.wait.upTo", { span: formatNumber(high, options) });
  const span = low === high ? formatNumber(high, options) : formatRange(low, high, options);
  return t("common.wait.about", { span });
}

/** A wait that is known well enough: "in about 20 sec". */
export function formatIn(seconds: number): string {
  return formatWait(seconds, seconds);
}
