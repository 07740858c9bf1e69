import { useState, type FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { Select } from "@/components/ui/Select";
import { TextArea, TextField } from "@/components/ui/TextField";
import { useOpenIncident, useUpdateIncident } from "@/features/admin/capacity/hooks";
import type { Incident, IncidentState } from "@/lib/api/types";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

const STATES: readonly IncidentState[] = ["investigating", "identified", "monitoring", "resolved"];

export function OpenIncidentDialog({ onClose }: { onClose: () => void }) {
  const t = useT();
  const open = useOpenIncident();
  const refused = formErrors(open.isPending ? null : open.error, ["title", "text"]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { title = "", text = "" } = texts(event.currentTarget);
    open.mutate({ title: title.trim(), text: text.trim() }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      onOpenChange={(isOpen) => !isOpen && onClose()}
      title={t("admin.incidents.open")}
      description={t("admin.incidents.openText")}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="open-incident" busy={open.isPending}>
            {t("admin.incidents.openAction")}
          </Button>
        </>
      }
    >
      <form id="open-incident" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <TextField
          name="title"
          label={t("admin.incidents.name")}
          placeholder={t("admin.incidents.nameExample")}
          required
          maxLength={200}
          error={refused.fields["title"]}
        />
        <TextArea
          name="text"
          label={t("admin.incidents.say")}
          required
          maxLength={4000}
          error={refused.fields["text"]}
        />
        <FormNote text={refused.form} />
      </form>
    </Dialog>
  );
}

export function UpdateIncidentDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const t = useT();
  const update = useUpdateIncident();
  const [state, setState] = useState<IncidentState>(incident.state);
  const refused = formErrors(update.isPending ? null : update.error, ["text", "state"]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = (texts(event.currentTarget)["text"] ?? "").trim();
    update.mutate({ id: incident.id, text, state }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      onOpenChange={(isOpen) => !isOpen && onClose()}
      title={t("admin.incidents.updateFor", { title: incident.title })}
      description={t("admin.incidents.updateText")}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="update-incident" busy={update.isPending}>
            {t("admin.incidents.updateAction")}
          </Button>
        </>
      }
    >
      <form id="update-incident" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <TextArea
          name="text"
          label={t("admin.incidents.say")}
          required
          maxLength={4000}
          error={refused.fields["text"]}
        />
        <Select
          label={t("admin.incidents.state")}
          value={state}
          onValueChange={(value) => setState(STATES.find((each) => each === value) ?? state)}
          options={STATES.map((value) => ({ value, label: t(`status.incident.${value}`) }))}
        />
        <FormNote text={refused.fields["state"] ?? refused.form} />
      </form>
    </Dialog>
  );
}
