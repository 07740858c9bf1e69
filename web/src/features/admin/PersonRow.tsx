import {
  Ellipsis,
  Gauge,
  Link as LinkIcon,
  Shield,
  ShieldOff,
  Trash2,
  UserRoundCheck,
  UserRoundX,
} from "lucide-react";
import { useState } from "react";
import { Badge } from "@/components/page/Badge";
import { CardRow } from "@/components/page/Card";
import { ConfirmDialog } from "@/components/ui/ConfirmDialog";
import { IconButton } from "@/components/ui/IconButton";
import { Menu, MenuItem, MenuLine } from "@/components/ui/Menu";
import { useChangePerson, useDeletePerson, useMakeResetLink } from "@/features/admin/hooks";
import { LinkDialog } from "@/features/admin/LinkDialog";
import { PlanDialog } from "@/features/admin/PlanDialog";
import type { Person } from "@/features/admin/types";
import { planTitle } from "@/lib/plans";
import { formatAgo, formatDateTime, useT } from "@/lib/i18n";
import { useMe } from "@/lib/session";

function About({ person }: { person: Person }) {
  const t = useT();
  const isDisabled = person.status === "disabled";
  return (
    <div className="min-w-0 flex-1">
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <span className={isDisabled ? "truncate text-sm text-ink-faint" : "truncate text-sm font-medium"}>
          {person.name}
        </span>
        {person.role === "admin" && <Badge look="ember">{t("admin.people.admin")}</Badge>}
        {person.plan !== "" && <Badge>{planTitle(person.plan)}</Badge>}
        {isDisabled && <Badge look="bad">{t("admin.people.disabled")}</Badge>}
      </p>
      <p className="truncate text-sm text-ink-faint">
        {person.email}
        {" · "}
        {person.last_seen_at === null
          ? t("admin.people.neverSeen")
          : t("admin.people.seen", { ago: formatAgo(person.last_seen_at) })}
      </p>
    </div>
  );
}

/** A person, with what an administrator can do about them. */
export function PersonRow({ person }: { person: Person }) {
  const t = useT();
  const me = useMe();
  const change = useChangePerson();
  const link = useMakeResetLink();
  const remove = useDeletePerson();
  const [asking, setAsking] = useState(false);
  const [planning, setPlanning] = useState(false);
  const size = 16;
  const isAdmin = person.role === "admin";
  const isActive = person.status === "active";
  return (
    <CardRow className="py-3">
      <span
        aria-hidden
        className="grid size-9 shrink-0 place-items-center rounded-full bg-sunken text-sm font-medium text-ink-soft"
      >
        {person.name.trim().charAt(0).toUpperCase()}
      </span>
      <About person={person} />
      <Menu
        align="end"
        trigger={
          <IconButton label={t("admin.people.actions", { name: person.name })}>
            <Ellipsis size={18} aria-hidden />
          </IconButton>
        }
      >
        <MenuItem icon={<LinkIcon size={size} />} onSelect={() => link.mutate(person.id)}>
          {t("admin.people.resetLink")}
        </MenuItem>
        <MenuItem icon={<Gauge size={size} />} onSelect={() => setPlanning(true)}>
          {t("admin.people.setPlan")}
        </MenuItem>
        <MenuItem
          icon={isAdmin ? <ShieldOff size={size} /> : <Shield size={size} />}
          onSelect={() => change.mutate({ id: person.id, change: { role: isAdmin ? "member" : "admin" } })}
        >
          {t(isAdmin ? "admin.people.makeMember" : "admin.people.makeAdmin")}
        </MenuItem>
        <MenuLine />
        <MenuItem
          icon={isActive ? <UserRoundX size={size} /> : <UserRoundCheck size={size} />}
          disabled={person.id === me?.id}
          onSelect={() =>
            change.mutate({ id: person.id, change: { status: isActive ? "disabled" : "active" } })
          }
        >
          {t(isActive ? "admin.people.disable" : "admin.people.enable")}
        </MenuItem>
        <MenuItem
          icon={<Trash2 size={size} />}
          danger
          disabled={person.id === me?.id}
          onSelect={() => setAsking(true)}
        >
          {t("admin.people.delete")}
        </MenuItem>
      </Menu>
      {planning && <PlanDialog person={person} onClose={() => setPlanning(false)} />}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={t("admin.people.deleteAsk", { name: person.name })}
        text={t("admin.people.deleteText")}
        action={t("admin.people.delete")}
        danger
        busy={remove.isPending}
        onConfirm={() => remove.mutate(person.id, { onSettled: () => setAsking(false) })}
      />
      <LinkDialog
        open={link.data !== undefined}
        onOpenChange={(open) => !open && link.reset()}
        title={t("admin.people.resetLinkFor", { name: person.name })}
        text={t("admin.people.resetLinkText", {
          date: link.data === undefined ? "" : formatDateTime(link.data.expires_at),
        })}
        link={link.data?.link ?? ""}
      />
    </CardRow>
  );
}
