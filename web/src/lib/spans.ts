import { formatNumber } from "@/lib/i18n";

/** A span of time as its two largest units: "3 d 4 hr", "12 min". */
export function formatSpan(seconds: number): string {
  const units = [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ] as const;
  const first = Math.max(
    0,
    units.findIndex(([, size]) => seconds >= size),
  );
  let rest = seconds >= 1 ? seconds : 0;
  const chosen = seconds >= 1 ? units.slice(first, first + 2) : units.slice(-1);
  const parts: string[] = [];
  for (const [unit, size] of chosen) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || parts.length === 0) {
      parts.push(formatNumber(count, { style: "unit", unit, unitDisplay: "short" }));
    }
  }
  return parts.join(" ");
}
