import { recall, remember } from "@/lib/storage";
import type { Theme } from "@/lib/api/types";

const dark = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;

/** The theme chosen in this browser. The account's choice overwrites it after signing in. */
export function chosenTheme(): Theme {
  const kept = recall("theme");
  return kept === "light" || kept === "dark" ? kept : "system";
}

function paint(theme: Theme): void {
  const isDark = theme === "dark" || (theme === "system" && (dark?.matches ?? false));
  document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
}

/** Choose a theme, keep it in this browser and show it at once. public/theme.js reads it at the next start. */
export function applyTheme(theme: Theme): void {
  remember("theme", theme);
  paint(theme);
}

/** Follow the system while the choice is `system`. Returns how to stop. */
export function followSystemTheme(): () => void {
  const follow = () => paint(chosenTheme());
  dark?.addEventListener("change", follow);
  return () => dark?.removeEventListener("change", follow);
}
