import { useState, type FormEvent } from "react";
import { Card } from "@/components/page/Card";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { PasswordField } from "@/components/ui/PasswordField";
import { useDeleteAccount } from "@/features/settings/hooks";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

/** Erase the account and all it owns, after the password was given once more. */
export function DeleteAccount() {
  const t = useT();
  const [open, setOpen] = useState(false);
  const remove = useDeleteAccount();
  const refused = formErrors(remove.isPending ? null : remove.error, ["password"]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    remove.mutate(texts(event.currentTarget)["password"] ?? "");
  };
  const change = (isOpen: boolean) => {
    remove.reset();
    setOpen(isOpen);
  };

  return (
    <Card
      look="danger"
      title={t("settings.profile.delete")}
      text={t("settings.profile.deleteText")}
      action={
        <Button look="danger" onClick={() => change(true)}>
          {t("settings.profile.delete")}
        </Button>
      }
    >
      <div className="h-4" />
      <Dialog
        open={open}
        onOpenChange={change}
        title={t("settings.profile.deleteAsk")}
        description={t("settings.profile.deleteWarning")}
        footer={
          <>
            <Button onClick={() => change(false)}>{t("common.cancel")}</Button>
            <Button look="danger" type="submit" form="delete-account" busy={remove.isPending}>
              {t("settings.profile.deleteAction")}
            </Button>
          </>
        }
      >
        <form id="delete-account" onSubmit={submit} className="flex flex-col gap-4 pt-3">
          <PasswordField
            name="password"
            label={t("settings.security.current")}
            autoComplete="current-password"
            required
            error={refused.fields["password"]}
          />
          <FormNote text={refused.form} />
        </form>
      </Dialog>
    </Card>
  );
}
