import type { FormEvent } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { TextField } from "@/components/ui/TextField";
import { DeleteAccount } from "@/features/settings/DeleteAccount";
import { useRename } from "@/features/settings/hooks";
import { formErrors, texts } from "@/lib/formErrors";
import { formatDate, useT } from "@/lib/i18n";
import { useMe, useSignOut } from "@/lib/session";

export function ProfileSection() {
  const t = useT();
  const me = useMe();
  const { rename, isPending, error } = useRename();
  const signOut = useSignOut();
  const refused = formErrors(isPending ? null : error, ["name"]);
  if (me === null) return null;

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = (texts(event.currentTarget)["name"] ?? "").trim();
    if (name !== me.name) rename(name);
  };

  return (
    <>
      <Card>
        <form onSubmit={submit}>
          <CardBody className="pt-5">
            <div className="flex items-center gap-4">
              <span
                aria-hidden
                className="grid size-12 shrink-0 place-items-center rounded-full bg-ember-soft font-display text-xl text-ink"
              >
                {me.name.trim().charAt(0).toUpperCase()}
              </span>
              <div className="min-w-0 text-sm">
                <p className="truncate font-medium">{me.email}</p>
                <p className="text-ink-soft">
                  {t(me.role === "admin" ? "settings.profile.adminSince" : "settings.profile.memberSince", {
                    date: formatDate(me.created_at),
                  })}
                </p>
              </div>
            </div>
            <TextField
              key={me.name}
              name="name"
              label={t("settings.profile.name")}
              hint={t("settings.profile.nameHint")}
              autoComplete="name"
              defaultValue={me.name}
              maxLength={120}
              required
              error={refused.fields["name"]}
            />
            <FormNote text={refused.form} />
            <div>
              <Button type="submit" look="primary" busy={isPending}>
                {t("common.save")}
              </Button>
            </div>
          </CardBody>
        </form>
      </Card>
      <Card
        title={t("settings.profile.signOut")}
        text={t("settings.profile.signOutText")}
        action={
          <Button busy={signOut.isPending} onClick={() => signOut.mutate()}>
            {t("settings.profile.signOut")}
          </Button>
        }
      >
        <div className="h-4" />
      </Card>
      <DeleteAccount />
    </>
  );
}
