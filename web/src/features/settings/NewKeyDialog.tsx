import { useState, type FormEvent } from "react";
import { CopyField } from "@/components/page/CopyField";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { TextField } from "@/components/ui/TextField";
import { useMakeKey } from "@/features/settings/hooks";
import type { Scope } from "@/features/settings/types";
import { formErrors } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";
import { useMe } from "@/lib/session";

const everyone: Scope[] = ["models:run", "conversations:read", "conversations:write"];

function Scopes({ offered }: { offered: Scope[] }) {
  const t = useT();
  return (
    <fieldset className="flex flex-col gap-2.5">
      <legend className="mb-2 text-sm font-medium">{t("settings.keys.may")}</legend>
      {offered.map((scope) => (
        <label key={scope} className="flex items-start gap-3 text-sm">
          <input
            type="checkbox"
            name="scopes"
            value={scope}
            defaultChecked={scope === "models:run"}
            className="mt-1 size-4 accent-(--fs-ember)"
          />
          <span>
            {t(`settings.keys.scope.${scope}.long`)} <code className="text-xs text-ink-faint">{scope}</code>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Name a key and choose what it may do; then it is shown, once. */
export function NewKeyDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useT();
  const me = useMe();
  const make = useMakeKey();
  const [none, setNone] = useState(false);
  const offered: Scope[] = me?.role === "admin" ? [...everyone, "metrics:read"] : everyone;
  const refused = formErrors(make.isPending ? null : make.error, ["name"]);

  const change = (isOpen: boolean) => {
    make.reset();
    setNone(false);
    onOpenChange(isOpen);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const scopes = offered.filter((scope) => fields.getAll("scopes").includes(scope));
    setNone(scopes.length === 0);
    if (scopes.length > 0) make.mutate({ name: String(fields.get("name")).trim(), scopes });
  };

  if (make.data !== undefined) {
    return (
      <Dialog
        open={open}
        onOpenChange={change}
        title={t("settings.keys.ready")}
        description={t("settings.keys.readyText")}
        footer={
          <Button look="primary" onClick={() => change(false)}>
            {t("settings.keys.done")}
          </Button>
        }
      >
        <div className="pt-3">
          <CopyField label={t("settings.keys.key")} value={make.data.key} />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={t("settings.keys.make")}
      description={t("settings.keys.makeText")}
      footer={
        <>
          <Button onClick={() => change(false)}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="new-key" busy={make.isPending}>
            {t("settings.keys.makeAction")}
          </Button>
        </>
      }
    >
      <form id="new-key" onSubmit={submit} className="flex flex-col gap-5 pt-3">
        <TextField
          name="name"
          label={t("settings.keys.name")}
          placeholder={t("settings.keys.nameExample")}
          required
          maxLength={120}
          error={refused.fields["name"]}
        />
        <Scopes offered={offered} />
        <FormNote text={none ? t("settings.keys.noScope") : refused.form} />
      </form>
    </Dialog>
  );
}
