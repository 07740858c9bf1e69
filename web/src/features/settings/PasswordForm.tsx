import type { FormEvent } from "react";
import { CardBody } from "@/components/page/Card";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { PasswordField } from "@/components/ui/PasswordField";
import { useChangePassword } from "@/features/settings/hooks";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";
import { useMe } from "@/lib/session";

/** Change the password, knowing the present one. */
export function PasswordForm() {
  const t = useT();
  const me = useMe();
  const change = useChangePassword();
  const refused = formErrors(change.isPending ? null : change.error, ["current", "new"]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = texts(form);
    const ask = { current: fields["current"] ?? "", new: fields["new"] ?? "" };
    change.mutate(ask, { onSuccess: () => form.reset() });
  };
  return (
    <form onSubmit={submit}>
      <CardBody className="max-w-sm">
        <input type="text" autoComplete="username" value={me?.email ?? ""} readOnly hidden />
        <PasswordField
          name="current"
          label={t("settings.security.current")}
          autoComplete="current-password"
          required
          error={refused.fields["current"]}
        />
        <PasswordField
          name="new"
          label={t("settings.security.new")}
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={1024}
          hint={t("settings.security.newHint")}
          error={refused.fields["new"]}
        />
        <FormNote text={refused.form} />
        <div>
          <Button type="submit" look="primary" busy={change.isPending}>
            {t("settings.security.set")}
          </Button>
        </div>
      </CardBody>
    </form>
  );
}
