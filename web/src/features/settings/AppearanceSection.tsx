import { Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { Select } from "@/components/ui/Select";
import { usePreferences } from "@/features/settings/hooks";
import { languages, setLanguage, useT } from "@/lib/i18n";
import { applyTheme, chosenTheme } from "@/lib/theme";
import type { Theme } from "@/lib/api/types";

const pictures = { system: Monitor, light: Sun, dark: Moon } as const;

/** A small drawing of the page in each theme. */
function Preview({ theme }: { theme: Theme }) {
  const half = (dark: boolean) => (
    <span
      data-theme={dark ? "dark" : "light"}
      className="flex h-full flex-1 flex-col justify-end gap-1.5 bg-canvas p-2.5"
    >
      <span className="ms-auto h-2 w-2/5 rounded-full bg-hover" />
      <span className="h-2 w-4/5 rounded-full bg-line-strong" />
      <span className="h-2 w-3/5 rounded-full bg-line-strong" />
      <span className="mt-1 h-3.5 rounded-md border border-line-strong bg-surface" />
    </span>
  );
  return (
    <span aria-hidden className="flex h-20 overflow-hidden rounded-lg border">
      {theme !== "dark" && half(false)}
      {theme !== "light" && half(true)}
    </span>
  );
}

export function AppearanceSection() {
  const t = useT();
  const { preferences, change } = usePreferences();
  const [theme, setTheme] = useState<Theme>(preferences?.theme ?? chosenTheme());
  if (preferences === null) return null;
  const choose = (chosen: Theme) => {
    setTheme(chosen);
    applyTheme(chosen);
    change({ theme: chosen });
  };
  return (
    <>
      <Card title={t("common.theme.label")}>
        <CardBody>
          <div role="radiogroup" aria-label={t("common.theme.label")} className="grid gap-3 sm:grid-cols-3">
            {(["system", "light", "dark"] as const).map((each) => {
              const Icon = pictures[each];
              return (
                <label
                  key={each}
                  className="cursor-pointer rounded-xl border p-2.5 transition-colors hover:bg-hover has-checked:border-ember has-checked:bg-ember-soft has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-ember"
                >
                  <input
                    type="radio"
                    name="theme"
                    value={each}
                    checked={theme === each}
                    onChange={() => choose(each)}
                    className="sr-only"
                  />
                  <Preview theme={each} />
                  <span className="mt-2 flex items-center gap-2 px-0.5 text-sm font-medium">
                    <Icon size={15} aria-hidden className="text-ink-soft" />
                    {t(`common.theme.${each}`)}
                  </span>
                </label>
              );
            })}
          </div>
        </CardBody>
      </Card>
      <Card title={t("settings.appearance.language")} text={t("settings.appearance.languageText")}>
        <CardBody className="max-w-xs">
          <Select
            label={t("settings.appearance.language")}
            labelHidden
            value={preferences.language}
            options={Object.entries(languages).map(([value, { name }]) => ({ value, label: name }))}
            onValueChange={(language) => {
              void setLanguage(language);
              change({ language });
            }}
          />
        </CardBody>
      </Card>
    </>
  );
}
