import { KeyRound, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Badge } from "@/components/page/Badge";
import { Card, CardBody, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { ConfirmDialog } from "@/components/ui/ConfirmDialog";
import { EmptyState } from "@/components/ui/EmptyState";
import { IconButton } from "@/components/ui/IconButton";
import { useKeys, useRevokeKey } from "@/features/settings/hooks";
import { NewKeyDialog } from "@/features/settings/NewKeyDialog";
import type { ApiKey } from "@/features/settings/types";
import { formatAgo, formatDate, useT } from "@/lib/i18n";

function KeyRow({ apiKey, onRevoke }: { apiKey: ApiKey; onRevoke: () => void }) {
  const t = useT();
  return (
    <CardRow>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <span className="truncate text-sm font-medium">{apiKey.name}</span>
          <code className="rounded-md bg-sunken px-1.5 py-0.5 font-mono text-xs text-ink-soft">
            {apiKey.prefix}…
          </code>
        </p>
        <p className="mt-0.5 text-sm text-ink-faint">
          {t("settings.keys.made", { date: formatDate(apiKey.created_at) })}
          {" · "}
          {apiKey.last_used_at === null
            ? t("settings.keys.neverUsed")
            : t("settings.keys.lastUsed", { ago: formatAgo(apiKey.last_used_at) })}
        </p>
        <p className="mt-1.5 flex flex-wrap gap-1.5">
          {apiKey.scopes.map((scope) => (
            <Badge key={scope}>{t(`settings.keys.scope.${scope}.short`)}</Badge>
          ))}
        </p>
      </div>
      <IconButton label={t("settings.keys.revokeOne", { name: apiKey.name })} onClick={onRevoke}>
        <Trash2 size={17} aria-hidden />
      </IconButton>
    </CardRow>
  );
}

export function KeysSection() {
  const t = useT();
  const keys = useKeys();
  const revoke = useRevokeKey();
  const [making, setMaking] = useState(false);
  const [asked, setAsked] = useState<ApiKey | null>(null);
  return (
    <>
      <Card
        title={t("settings.keys.yours")}
        text={t("settings.keys.text")}
        action={
          <Button look="primary" onClick={() => setMaking(true)}>
            <Plus size={16} aria-hidden />
            {t("settings.keys.make")}
          </Button>
        }
      >
        <Loaded query={keys}>
          {(list) =>
            list.length === 0 ? (
              <EmptyState
                icon={<KeyRound size={26} aria-hidden />}
                title={t("settings.keys.none")}
                text={t("settings.keys.noneText")}
              />
            ) : (
              <CardRows label={t("settings.keys.yours")}>
                {list.map((key) => (
                  <KeyRow key={key.id} apiKey={key} onRevoke={() => setAsked(key)} />
                ))}
              </CardRows>
            )
          }
        </Loaded>
      </Card>
      <Card title={t("settings.keys.use")} text={t("settings.keys.useText")}>
        <CardBody>
          <pre
            tabIndex={0}
            aria-label={t("settings.keys.use")}
            className="overflow-x-auto rounded-xl bg-sunken px-4 py-3 font-mono text-[0.8125rem] leading-relaxed scroll-quiet"
          >
            {`from openai import OpenAI\n\nclient = OpenAI(\n    base_url="${location.origin}/v1",\n    api_key="fs-...",\n)`}
          </pre>
        </CardBody>
      </Card>
      <NewKeyDialog open={making} onOpenChange={setMaking} />
      <ConfirmDialog
        open={asked !== null}
        onOpenChange={(open) => !open && setAsked(null)}
        title={t("settings.keys.revokeAsk", { name: asked?.name ?? "" })}
        text={t("settings.keys.revokeText")}
        action={t("settings.keys.revoke")}
        danger
        busy={revoke.isPending}
        onConfirm={() => asked !== null && revoke.mutate(asked.id, { onSettled: () => setAsked(null) })}
      />
    </>
  );
}
