import { useEffect } from "react";
import { setLanguage } from "@/lib/i18n";
import { useMe } from "@/lib/session";
import { applyTheme } from "@/lib/theme";

/** Bring the account's theme and language to this browser, also when they were changed on another device. */
export function useAccountLook(): void {
  const preferences = useMe()?.preferences;
  const theme = preferences?.theme;
  const language = preferences?.language;
  useEffect(() => {
    if (theme !== undefined) applyTheme(theme);
  }, [theme]);
  useEffect(() => {
    if (language !== undefined) setLanguage(language).catch(() => undefined);
  }, [language]);
}
