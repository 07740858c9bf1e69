import { Download } from "lucide-react";
import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { Progress } from "@/components/ui/Progress";
import { useActivateModel, useLibrary, usePullModel } from "@/features/admin/hooks";
import type { LibraryModel } from "@/features/admin/types";
import { formatBytes, formatPercent, useT } from "@/lib/i18n";

function Action({ model }: { model: LibraryModel }) {
  const t = useT();
  const pull = usePullModel();
  const activate = useActivateModel();
  switch (model.state) {
    case "active":
      return <Badge look="ember">{t("admin.models.active")}</Badge>;
    case "downloading":
      return <span className="text-sm text-ink-soft tabular-nums">{formatPercent(model.progress)}</span>;
    case "ready":
      return (
        <Button
          size="sm"
          busy={activate.isPending}
          aria-label={t("admin.models.useOne", { name: model.title })}
          onClick={() => activate.mutate(model.name)}
        >
          {t("admin.models.use")}
        </Button>
      );
    case "absent":
    case "failed":
      return (
        <Button
          size="sm"
          busy={pull.isPending}
          aria-label={t("admin.models.fetchOne", { name: model.title })}
          onClick={() => pull.mutate(model.name)}
        >
          <Download size={15} aria-hidden />
          {t(model.state === "failed" ? "common.retry" : "admin.models.fetch")}
        </Button>
      );
  }
}

function ModelRow({ model }: { model: LibraryModel }) {
  const t = useT();
  return (
    <CardRow>
      <div className="min-w-0 flex-1">
        <p className="truncate text-sm font-medium">{model.title}</p>
        <p className="mt-0.5 text-sm text-ink-faint">
          <code className="font-mono text-xs">{model.name}</code>
          {" · "}
          {formatBytes(model.size_bytes)}
          {" · "}
          {model.licence}
        </p>
        {model.description !== "" && <p className="mt-1 text-sm text-ink-soft">{model.description}</p>}
        {model.state === "downloading" && (
          <div className="mt-2.5 max-w-md">
            <Progress value={model.progress} label={t("admin.models.fetching", { name: model.title })} />
          </div>
        )}
        {model.state === "failed" && model.detail !== "" && (
          <p role="alert" className="mt-1 text-sm text-bad">
            {model.detail}
          </p>
        )}
      </div>
      <Action model={model} />
    </CardRow>
  );
}

/** The models that can be fetched and run here, without any account elsewhere. */
export function ModelsSection() {
  const t = useT();
  const library = useLibrary();
  return (
    <Card title={t("admin.models.library")} text={t("admin.models.libraryText")}>
      <Loaded query={library}>
        {(list) => (
          <CardRows label={t("admin.models.library")}>
            {list.map((model) => (
              <ModelRow key={model.name} model={model} />
            ))}
          </CardRows>
        )}
      </Loaded>
    </Card>
  );
}
