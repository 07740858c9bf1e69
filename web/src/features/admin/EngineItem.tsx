import { Ellipsis, Power, PowerOff, Trash2 } from "lucide-react";
import { useState } from "react";
import { Badge } from "@/components/page/Badge";
import { CardRow } from "@/components/page/Card";
import { ConfirmDialog } from "@/components/ui/ConfirmDialog";
import { IconButton } from "@/components/ui/IconButton";
import { Menu, MenuItem, MenuLine } from "@/components/ui/Menu";
import { useEnableEngine, useRemoveEngine } from "@/features/admin/hooks";
import type { EngineRow } from "@/features/admin/types";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";

/** Its state as a dot and a word, never by colour alone. */
function Health({ engine }: { engine: EngineRow }) {
  const t = useT();
  if (!engine.enabled) return <Badge>{t("admin.engines.off")}</Badge>;
  return (
    <Badge look={engine.ok ? "good" : "bad"}>
      <span aria-hidden className={cx("size-1.5 rounded-full", engine.ok ? "bg-good" : "bg-bad")} />
      {t(engine.ok ? "admin.engines.ok" : "admin.engines.down")}
    </Badge>
  );
}

export function EngineItem({ engine }: { engine: EngineRow }) {
  const t = useT();
  const enable = useEnableEngine();
  const remove = useRemoveEngine();
  const [asking, setAsking] = useState(false);
  return (
    <CardRow className="items-start">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-2">
          <span className="truncate text-sm font-medium">{engine.name}</span>
          <Health engine={engine} />
        </p>
        <p className="mt-0.5 truncate text-sm text-ink-faint">
          {engine.kind === "embedded" ? t("admin.engines.embedded") : engine.base_url}
          {engine.restarts > 0 && <> · {t("admin.engines.restarts", { count: engine.restarts })}</>}
        </p>
        {engine.detail !== "" && (
          <p className={cx("mt-1 text-sm", engine.enabled && !engine.ok ? "text-bad" : "text-ink-soft")}>
            {engine.detail}
          </p>
        )}
        {engine.models.length > 0 && (
          <ul aria-label={t("admin.engines.models")} className="mt-2 flex flex-wrap gap-1.5">
            {engine.models.map((name) => (
              <li key={name} className="rounded-md bg-sunken px-1.5 py-0.5 font-mono text-xs text-ink-soft">
                {name}
              </li>
            ))}
          </ul>
        )}
      </div>
      {engine.kind !== "embedded" && (
        <Menu
          align="end"
          trigger={
            <IconButton label={t("admin.engines.actions", { name: engine.name })}>
              <Ellipsis size={18} aria-hidden />
            </IconButton>
          }
        >
          <MenuItem
            icon={engine.enabled ? <PowerOff size={16} /> : <Power size={16} />}
            onSelect={() => enable.mutate({ id: engine.id, enabled: !engine.enabled })}
          >
            {t(engine.enabled ? "admin.engines.disable" : "admin.engines.enable")}
          </MenuItem>
          <MenuLine />
          <MenuItem icon={<Trash2 size={16} />} danger onSelect={() => setAsking(true)}>
            {t("admin.engines.remove")}
          </MenuItem>
        </Menu>
      )}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={t("admin.engines.removeAsk", { name: engine.name })}
        text={t("admin.engines.removeText")}
        action={t("admin.engines.remove")}
        danger
        busy={remove.isPending}
        onConfirm={() => remove.mutate(engine.id, { onSettled: () => setAsking(false) })}
      />
    </CardRow>
  );
}
