import type { FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { PasswordField } from "@/components/ui/PasswordField";
import { TextField } from "@/components/ui/TextField";
import { useAddEngine } from "@/features/admin/hooks";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

/** Add any server that speaks the OpenAI interface. */
export function AddEngineDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useT();
  const add = useAddEngine();
  const refused = formErrors(add.isPending ? null : add.error, ["name", "base_url", "api_key"]);

  const change = (isOpen: boolean) => {
    add.reset();
    onOpenChange(isOpen);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { name = "", base_url = "", api_key = "" } = texts(event.currentTarget);
    const ask = { name: name.trim(), base_url: base_url.trim(), ...(api_key === "" ? {} : { api_key }) };
    add.mutate(ask, { onSuccess: () => change(false) });
  };

  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={t("admin.engines.add")}
      description={t("admin.engines.addText")}
      footer={
        <>
          <Button onClick={() => change(false)}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="add-engine" busy={add.isPending}>
            {t("admin.engines.addAction")}
          </Button>
        </>
      }
    >
      <form id="add-engine" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <TextField
          name="name"
          label={t("admin.engines.name")}
          placeholder={t("admin.engines.nameExample")}
          required
          maxLength={60}
          error={refused.fields["name"]}
        />
        <TextField
          name="base_url"
          type="url"
          label={t("admin.engines.address")}
          placeholder="http://127.0.0.1:8000/v1"
          hint={t("admin.engines.addressHint")}
          required
          maxLength={500}
          error={refused.fields["base_url"]}
        />
        <PasswordField
          name="api_key"
          label={t("admin.engines.key")}
          hint={t("admin.engines.keyHint")}
          autoComplete="off"
          maxLength={500}
          error={refused.fields["api_key"]}
        />
        <FormNote text={refused.form} />
      </form>
    </Dialog>
  );
}
