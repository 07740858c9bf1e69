import { Card, CardBody } from "@/components/page/Card";
import { Select } from "@/components/ui/Select";
import { FINE_FIELDS, LADDER_FIELDS, type NumberSpec } from "@/features/admin/policy/fields";
import { usePolicyForm } from "@/features/admin/policy/form";
import { Fields, GroupNote, NumberInput } from "@/features/admin/policy/NumberInput";
import { useT } from "@/lib/i18n";
import { titleOf, useModels } from "@/lib/models";
import { rungText } from "@/lib/rungs";

const threshold: NumberSpec = {
  name: "thresholds",
  label: "admin.policy.field.threshold",
  unit: "times",
  scale: 1,
};

/** When the house begins to give something up. */
export function LadderCard() {
  const t = useT();
  const { policy } = usePolicyForm();
  return (
    <Card title={t("admin.policy.ladder")} text={t("admin.policy.ladderText")}>
      <CardBody>
        <GroupNote path="ladder.thresholds" />
        <ol className="flex flex-col gap-3">
          {policy.ladder.thresholds.map((_, index) => (
            <li key={index} className="grid items-start gap-x-4 gap-y-1 sm:grid-cols-[9rem_1fr]">
              <NumberInput
                path={`ladder.thresholds.${index}`}
                spec={threshold}
                label={t("admin.policy.field.threshold", { number: index + 1 })}
              />
              <p className="text-sm text-ink-soft sm:pt-8">{rungText(index + 1)}</p>
            </li>
          ))}
        </ol>
        <SmallModel />
        <div className="border-t pt-4">
          <GroupNote path="ladder" />
          <Fields prefix="ladder." specs={LADDER_FIELDS} />
        </div>
      </CardBody>
    </Card>
  );
}

/** Which model answers when replies come from a smaller one. */
function SmallModel() {
  const t = useT();
  const form = usePolicyForm();
  const { data: models } = useModels();
  const chosen = form.text("small_model");
  const names = new Set(
    [...(models?.models.map((one) => one.name) ?? []), chosen].filter((name) => name !== ""),
  );
  return (
    <div className="flex max-w-sm flex-col gap-1.5">
      <Select
        label={t("admin.policy.field.small_model")}
        value={chosen}
        options={[
          { value: "", label: t("admin.policy.field.small_modelNone") },
          ...[...names].map((name) => ({ value: name, label: titleOf(models, name) })),
        ]}
        onValueChange={(name) => form.type("small_model", name)}
      />
      <GroupNote path="small_model" />
    </div>
  );
}

/** The rest, for those who know why. */
export function FineCard() {
  const t = useT();
  const { policy } = usePolicyForm();
  const known = FINE_FIELDS.filter((spec) => spec.name in policy);
  return (
    <Card title={t("admin.policy.fine")} text={t("admin.policy.fineText")}>
      <CardBody>
        <Fields prefix="" specs={known} />
      </CardBody>
    </Card>
  );
}
