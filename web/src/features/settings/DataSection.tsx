import { Download } from "lucide-react";
import { Card, CardBody } from "@/components/page/Card";
import { Switch } from "@/components/ui/Switch";
import { EXPORT_ADDRESS } from "@/features/settings/api";
import { usePreferences } from "@/features/settings/hooks";
import { ImportChats } from "@/features/settings/ImportChats";
import { useT } from "@/lib/i18n";

export function DataSection() {
  const t = useT();
  const { preferences, change } = usePreferences();
  if (preferences === null) return null;
  return (
    <>
      <Card>
        <CardBody className="pt-5">
          <Switch
            label={t("settings.data.improve")}
            hint={t("settings.data.improveText")}
            checked={preferences.improve_model}
            onCheckedChange={(improve_model) => change({ improve_model })}
          />
        </CardBody>
      </Card>
      <Card
        title={t("settings.data.export")}
        text={t("settings.data.exportText")}
        action={
          <a
            href={EXPORT_ADDRESS}
            download
            className="inline-flex h-10 items-center gap-2 rounded-xl border border-line-strong bg-surface px-4 text-sm font-medium hover:bg-hover"
          >
            <Download size={16} aria-hidden />
            {t("settings.data.exportAction")}
          </a>
        }
      >
        <div className="h-4" />
      </Card>
      <ImportChats />
    </>
  );
}
