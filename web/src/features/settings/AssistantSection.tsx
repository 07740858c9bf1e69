import type { FormEvent } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { Button } from "@/components/ui/Button";
import { Select } from "@/components/ui/Select";
import { Switch } from "@/components/ui/Switch";
import { TextArea } from "@/components/ui/TextField";
import { toast } from "@/components/ui/Toast";
import { useModels, usePreferences } from "@/features/settings/hooks";
import { texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

const MAX_CHARS = 4000;

export function AssistantSection() {
  const t = useT();
  const { preferences, change, busy } = usePreferences();
  const models = useModels();
  if (preferences === null) return null;
  const instructions = preferences.custom_instructions;
  const names = models.data?.models ?? [];
  const chosen = preferences.default_model ?? "";
  const options = [
    { value: "", label: t("settings.assistant.modelDefault") },
    ...names.map((model) => ({ value: model.name, label: model.title || model.name })),
  ];
  // A model that is gone for the moment stays chosen, and is named.
  if (!options.some((option) => option.value === chosen)) options.push({ value: chosen, label: chosen });

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { about = "", style = "" } = texts(event.currentTarget);
    change({ custom_instructions: { ...instructions, about: about.trim(), style: style.trim() } }, () =>
      toast({ title: t("settings.saved") }),
    );
  };

  return (
    <>
      <Card title={t("settings.assistant.instructions")} text={t("settings.assistant.instructionsText")}>
        <form onSubmit={submit}>
          <CardBody>
            <Switch
              label={t("settings.assistant.enabled")}
              checked={instructions.enabled}
              onCheckedChange={(enabled) => change({ custom_instructions: { ...instructions, enabled } })}
            />
            <TextArea
              name="about"
              label={t("settings.assistant.about")}
              placeholder={t("settings.assistant.aboutExample")}
              defaultValue={instructions.about}
              maxLength={MAX_CHARS}
              rows={4}
            />
            <TextArea
              name="style"
              label={t("settings.assistant.style")}
              placeholder={t("settings.assistant.styleExample")}
              defaultValue={instructions.style}
              maxLength={MAX_CHARS}
              rows={4}
            />
            <div>
              <Button type="submit" look="primary" busy={busy}>
                {t("common.save")}
              </Button>
            </div>
          </CardBody>
        </form>
      </Card>
      <Card title={t("settings.assistant.model")} text={t("settings.assistant.modelText")}>
        <CardBody className="max-w-sm">
          <Select
            label={t("settings.assistant.model")}
            labelHidden
            value={chosen}
            options={options}
            onValueChange={(name) => change({ default_model: name === "" ? null : name })}
          />
        </CardBody>
      </Card>
    </>
  );
}
