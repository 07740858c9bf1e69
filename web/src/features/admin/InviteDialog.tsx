import { useState, type FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { Select } from "@/components/ui/Select";
import { TextField } from "@/components/ui/TextField";
import { useMakeInvite } from "@/features/admin/hooks";
import { LinkDialog } from "@/features/admin/LinkDialog";
import type { Role } from "@/lib/api/types";
import { formErrors, texts } from "@/lib/formErrors";
import { formatDateTime, useT } from "@/lib/i18n";

/** Make a link with which one person can make their own account. */
export function InviteDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useT();
  const make = useMakeInvite();
  const [role, setRole] = useState<Role>("member");
  const refused = formErrors(make.isPending ? null : make.error, ["email"]);

  const change = (isOpen: boolean) => {
    make.reset();
    setRole("member");
    onOpenChange(isOpen);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const email = (texts(event.currentTarget)["email"] ?? "").trim();
    make.mutate({ role, ...(email === "" ? {} : { email }) });
  };

  if (make.data !== undefined) {
    return (
      <LinkDialog
        open={open}
        onOpenChange={change}
        title={t("admin.people.invited")}
        text={t("admin.people.invitedText", { date: formatDateTime(make.data.expires_at) })}
        link={make.data.link}
      />
    );
  }
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={t("admin.people.invite")}
      description={t("admin.people.inviteText")}
      footer={
        <>
          <Button onClick={() => change(false)}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="invite" busy={make.isPending}>
            {t("admin.people.inviteAction")}
          </Button>
        </>
      }
    >
      <form id="invite" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <TextField
          name="email"
          type="email"
          label={t("admin.people.emailOptional")}
          hint={t("admin.people.emailHint")}
          maxLength={254}
          error={refused.fields["email"]}
        />
        <Select
          label={t("admin.people.role")}
          value={role}
          onValueChange={(value) => setRole(value === "admin" ? "admin" : "member")}
          options={[
            { value: "member", label: t("admin.people.member") },
            { value: "admin", label: t("admin.people.admin") },
          ]}
        />
        <FormNote text={refused.form} />
      </form>
    </Dialog>
  );
}
