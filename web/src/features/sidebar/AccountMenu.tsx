import {
  Activity,
  Archive,
  ChevronsUpDown,
  Keyboard,
  LogOut,
  Monitor,
  Moon,
  Settings,
  Shield,
  Sun,
  Upload,
} from "lucide-react";
import { useRef } from "react";
import { useLocation } from "wouter";
import { openLayer, setDrawer } from "@/features/sidebar/ui";
import { useImport } from "@/features/sidebar/useImport";
import { Menu, MenuItem, MenuLine, MenuSub } from "@/components/ui/Menu";
import { useT } from "@/lib/i18n";
import { useMe, useSignOut, useUpdateMe } from "@/lib/session";
import { applyTheme } from "@/lib/theme";
import type { Theme } from "@/lib/api/types";

const themes = [
  { value: "system", icon: Monitor },
  { value: "light", icon: Sun },
  { value: "dark", icon: Moon },
] as const;

/** The person: settings, administration, theme, import, sign out. */
export function AccountMenu() {
  const t = useT();
  const me = useMe();
  const [, navigate] = useLocation();
  const signOut = useSignOut();
  const updateMe = useUpdateMe();
  const importFile = useImport();
  const file = useRef<HTMLInputElement>(null);
  if (me === null) return null;

  const go = (path: string) => {
    setDrawer(false);
    navigate(path);
  };
  const choose = (theme: Theme) => {
    applyTheme(theme);
    updateMe.mutate({ preferences: { theme } });
  };
  return (
    <>
      <Menu
        side="top"
        label={t("sidebar.account.label")}
        trigger={
          <button
            type="button"
            aria-label={`${t("sidebar.account.label")}: ${me.name || me.email}`}
            className="flex w-full items-center gap-3 rounded-xl p-2 text-start hover:bg-hover data-[state=open]:bg-hover"
          >
            <span
              aria-hidden
              className="grid size-8 shrink-0 place-items-center rounded-full bg-ember-soft text-sm font-semibold text-ember-strong"
            >
              {(me.name || me.email).slice(0, 1).toUpperCase()}
            </span>
            <span className="min-w-0 flex-1">
              <span className="block truncate text-sm font-medium">{me.name || me.email}</span>
              <span className="block truncate text-xs text-ink-faint">{me.email}</span>
            </span>
            <ChevronsUpDown size={15} className="me-1 text-ink-faint" aria-hidden />
          </button>
        }
      >
        <MenuItem icon={<Settings size={16} aria-hidden />} onSelect={() => go("/settings")}>
          {t("sidebar.account.settings")}
        </MenuItem>
        {me.role === "admin" && (
          <MenuItem icon={<Shield size={16} aria-hidden />} onSelect={() => go("/admin")}>
            {t("sidebar.account.admin")}
          </MenuItem>
        )}
        <MenuSub icon={<Sun size={16} aria-hidden />} label={t("sidebar.account.theme")}>
          {themes.map(({ value, icon: Icon }) => (
            <MenuItem
              key={value}
              icon={<Icon size={16} aria-hidden />}
              checked={me.preferences.theme === value}
              onSelect={() => choose(value)}
            >
              {t(`common.theme.${value}`)}
            </MenuItem>
          ))}
        </MenuSub>
        <MenuLine />
        <MenuItem icon={<Archive size={16} aria-hidden />} onSelect={() => openLayer("archived")}>
          {t("sidebar.archived")}
        </MenuItem>
        <MenuItem icon={<Upload size={16} aria-hidden />} onSelect={() => file.current?.click()}>
          {t("sidebar.importing")}
        </MenuItem>
        <MenuItem icon={<Keyboard size={16} aria-hidden />} onSelect={() => openLayer("shortcuts")}>
          {t("sidebar.account.shortcuts")}
        </MenuItem>
        <MenuItem icon={<Activity size={16} aria-hidden />} onSelect={() => go("/status")}>
          {t("sidebar.account.status")}
        </MenuItem>
        <MenuLine />
        <MenuItem icon={<LogOut size={16} aria-hidden />} onSelect={() => signOut.mutate()}>
          {t("sidebar.account.signOut")}
        </MenuItem>
      </Menu>
      <input
        ref={file}
        type="file"
        hidden
        accept=".json,.zip,application/json,application/zip"
        aria-label={t("sidebar.importing")}
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen !== undefined) void importFile(chosen);
          event.target.value = "";
        }}
      />
    </>
  );
}
