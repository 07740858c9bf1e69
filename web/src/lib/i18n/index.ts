import { useSyncExternalStore } from "react";
import { en } from "@/lib/i18n/en";

/** A sentence, or its forms by plural category; `{name}` in it is filled in. */
export type Sentence =
  string | { one: string; other: string; zero?: string; two?: string; few?: string; many?: string };
export interface Catalogue {
  [key: string]: Sentence | Catalogue;
}

type Leaf<T> = T extends string | { other: string } ? true : false;
type Paths<T> = {
  [K in keyof T & string]: Leaf<T[K]> extends true ? K : `${K}.${Paths<T[K]>}`;
}[keyof T & string];

/** Every key of the English catalogue, which is the complete one. */
export type Key = Paths<typeof en>;
export type Values = Record<string, string | number>;

/** Further languages: a code and how to load its catalogue, which may leave keys to English. */
export const languages: Record<string, { name: string; load: () => Promise<Catalogue> }> = {
  en: { name: "English", load: () => Promise.resolve(en as Catalogue) },
};

let language = "en";
let catalogue: Catalogue = en as Catalogue;
const listeners = new Set<() => void>();

/** Switch the language of the page; one that is not there leaves it as it is. */
export async function setLanguage(code: string): Promise<void> {
  const found = languages[code];
  if (found === undefined || code === language) return;
  catalogue = await found.load();
  language = code;
  document.documentElement.lang = code;
  for (const listener of listeners) listener();
}

export function currentLanguage(): string {
  return language;
}

function find(from: Catalogue, key: string): Sentence | undefined {
  let at: Sentence | Catalogue | undefined = from;
  for (const step of key.split(".")) {
    if (at === undefined || typeof at === "string") return undefined;
    at = (at as Catalogue)[step];
  }
  return at as Sentence | undefined;
}

/** The sentence for `key`, with `{name}`s filled in; `count` chooses the plural form. */
export function t(key: Key, values: Values = {}): string {
  const sentence = find(catalogue, key) ?? find(en as Catalogue, key) ?? key;
  const text = typeof sentence === "string" ? sentence : plural(sentence, values);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

function plural(forms: Exclude<Sentence, string>, values: Values): string {
  const count = Number(values["count"] ?? 0);
  return forms[new Intl.PluralRules(language).select(count)] ?? forms.other;
}

/** `t` that draws the component again when the language changes. */
export function useT(): typeof t {
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => language,
  );
  return t;
}

const shortDate: Intl.DateTimeFormatOptions = { year: "numeric", month: "short", day: "numeric" };

/** A date as people of this language write it. */
export function formatDate(iso: string, options: Intl.DateTimeFormatOptions = shortDate): string {
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}

/** A date with its time of day. */
export function formatDateTime(iso: string): string {
  return formatDate(iso, { dateStyle: "medium", timeStyle: "short" });
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(language, options).format(value);
}

/** Two numbers as a span, as people of this language write it: "5–12 sec". */
export function formatRange(low: number, high: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(language, options).formatRange(low, high);
}

/** 0.43 as "43 %". */
export function formatPercent(share: number): string {
  return formatNumber(share, { style: "percent", maximumFractionDigits: 0 });
}

/** Bytes as people read them, in decimal units. */
export function formatBytes(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return formatNumber(bytes / 1000 ** step, {
    style: "unit",
    unit: units[step]!,
    maximumFractionDigits: step > 1 ? 1 : 0,
  });
}

/** "3 minutes ago", "yesterday". */
export function formatAgo(iso: string, now: number = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [86400 * 365, "year"],
    [86400 * 30, "month"],
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [size, unit] of steps) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return format.format(0, "second");
}
