import { useState, type FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { Select } from "@/components/ui/Select";
import { TextField } from "@/components/ui/TextField";
import { useMakePerson } from "@/features/admin/hooks";
import { LinkDialog } from "@/features/admin/LinkDialog";
import type { Role } from "@/lib/api/types";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

/** Make an account for somebody; they choose their password by the link that comes of it. */
export function AddPersonDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useT();
  const make = useMakePerson();
  const [role, setRole] = useState<Role>("member");
  const refused = formErrors(make.isPending ? null : make.error, ["name", "email"]);

  const change = (isOpen: boolean) => {
    make.reset();
    setRole("member");
    onOpenChange(isOpen);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { name = "", email = "" } = texts(event.currentTarget);
    make.mutate({ name: name.trim(), email: email.trim(), role });
  };

  if (make.data !== undefined) {
    return (
      <LinkDialog
        open={open}
        onOpenChange={change}
        title={t("admin.people.added", { name: make.data.user.name })}
        text={t("admin.people.addedText")}
        link={make.data.reset_link}
      />
    );
  }
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={t("admin.people.add")}
      description={t("admin.people.addText")}
      footer={
        <>
          <Button onClick={() => change(false)}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="add-person" busy={make.isPending}>
            {t("admin.people.addAction")}
          </Button>
        </>
      }
    >
      <form id="add-person" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <TextField
          name="name"
          label={t("admin.people.name")}
          required
          maxLength={120}
          error={refused.fields["name"]}
        />
        <TextField
          name="email"
          type="email"
          label={t("admin.people.email")}
          required
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
