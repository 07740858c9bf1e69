import { MailPlus, X } from "lucide-react";
import { useState } from "react";
import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { IconButton } from "@/components/ui/IconButton";
import { useInvites, useWithdrawInvite } from "@/features/admin/hooks";
import { InviteDialog } from "@/features/admin/InviteDialog";
import type { Invite } from "@/features/admin/types";
import { formatDate, useT } from "@/lib/i18n";

function InviteRow({ invite }: { invite: Invite }) {
  const t = useT();
  const withdraw = useWithdrawInvite();
  const [openedAt] = useState(() => Date.now());
  const isOver = new Date(invite.expires_at).getTime() < openedAt;
  const name = invite.email ?? t("admin.people.anybody");
  return (
    <CardRow className="py-3">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-2">
          <span className="truncate text-sm font-medium">{name}</span>
          {invite.role === "admin" && <Badge look="ember">{t("admin.people.admin")}</Badge>}
          {invite.used_at !== null && <Badge look="good">{t("admin.people.used")}</Badge>}
          {invite.used_at === null && isOver && <Badge>{t("admin.people.over")}</Badge>}
        </p>
        <p className="text-sm text-ink-faint">
          {invite.used_at === null
            ? t("admin.people.until", { date: formatDate(invite.expires_at) })
            : t("admin.people.usedOn", { date: formatDate(invite.used_at) })}
        </p>
      </div>
      {invite.used_at === null && (
        <IconButton
          label={t("admin.people.withdraw", { name })}
          aria-disabled={withdraw.isPending}
          onClick={() => withdraw.mutate(invite.id)}
        >
          <X size={17} aria-hidden />
        </IconButton>
      )}
    </CardRow>
  );
}

export function Invites() {
  const t = useT();
  const invites = useInvites();
  const [inviting, setInviting] = useState(false);
  return (
    <Card
      title={t("admin.people.invites")}
      text={t("admin.people.invitesText")}
      action={
        <Button onClick={() => setInviting(true)}>
          <MailPlus size={16} aria-hidden />
          {t("admin.people.invite")}
        </Button>
      }
    >
      <Loaded query={invites}>
        {(list) =>
          list.length === 0 ? (
            <div className="h-4" />
          ) : (
            <CardRows label={t("admin.people.invites")}>
              {list.map((invite) => (
                <InviteRow key={invite.id} invite={invite} />
              ))}
            </CardRows>
          )
        }
      </Loaded>
      <InviteDialog open={inviting} onOpenChange={setInviting} />
    </Card>
  );
}
