import { RotateCcw, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { Badge } from "@/components/page/Badge";
import { Card, CardBody } from "@/components/page/Card";
import { Button } from "@/components/ui/Button";
import { IconButton } from "@/components/ui/IconButton";
import { Select } from "@/components/ui/Select";
import { TextField } from "@/components/ui/TextField";
import { PLAN_FIELDS } from "@/features/admin/policy/fields";
import { Fold } from "@/features/admin/policy/Fold";
import { usePolicyForm } from "@/features/admin/policy/form";
import { Fields, GroupNote } from "@/features/admin/policy/NumberInput";
import { texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";
import { planTitle } from "@/lib/plans";

/** What each plan gives, and who gets which without being told. */
export function PlansCard() {
  const t = useT();
  const form = usePolicyForm();
  const { draft } = form;
  const names = [...Object.keys(form.policy.plans), ...draft.added];
  const kept = names.filter((name) => !draft.removed.includes(name));
  const options = kept.map((name) => ({ value: name, label: planTitle(name) }));
  return (
    <Card title={t("admin.policy.plans")} text={t("admin.policy.plansText")}>
      <CardBody>
        <GroupNote path="plans" />
        <div>
          {names.map((name) => (
            <PlanFold key={name} name={name} removable={kept.length > 1} />
          ))}
        </div>
        <AddPlan names={names} />
        <div className="grid gap-4 border-t pt-4 sm:grid-cols-2">
          {(["default_plan", "admin_plan"] as const).map((path) => (
            <div key={path} className="flex flex-col gap-1.5">
              <Select
                label={t(`admin.policy.field.${path}`)}
                value={form.text(path)}
                options={options}
                onValueChange={(value) => form.type(path, value)}
              />
              <GroupNote path={path} />
            </div>
          ))}
        </div>
      </CardBody>
    </Card>
  );
}

function PlanFold({ name, removable }: { name: string; removable: boolean }) {
  const t = useT();
  const form = usePolicyForm();
  const { draft } = form;
  const removed = draft.removed.includes(name);
  const toggle = () => {
    if (draft.added.includes(name)) {
      const edits = Object.fromEntries(
        Object.entries(draft.edits).filter(([path]) => !path.startsWith(`plans.${name}.`)),
      );
      form.change({ ...draft, edits, added: draft.added.filter((each) => each !== name) });
    } else if (removed) {
      form.change({ ...draft, removed: draft.removed.filter((each) => each !== name) });
    } else {
      form.change({ ...draft, removed: [...draft.removed, name] });
    }
  };
  const path = `plans.${name}`;
  const words = { name: planTitle(name) };
  return (
    <Fold
      title={planTitle(name)}
      path={path}
      note={removed && <Badge look="bad">{t("admin.policy.removed")}</Badge>}
      action={
        (removable || removed) && (
          <IconButton
            label={t(removed ? "admin.policy.keepPlan" : "admin.policy.removePlan", words)}
            onClick={toggle}
          >
            {removed ? <RotateCcw size={16} aria-hidden /> : <Trash2 size={16} aria-hidden />}
          </IconButton>
        )
      }
    >
      {!removed && (
        <>
          <div className="max-w-sm">
            <Select
              label={t("admin.policy.field.band")}
              value={form.text(`${path}.band`)}
              options={[
                { value: "paid", label: t("admin.policy.field.bandPaid") },
                { value: "free", label: t("admin.policy.field.bandFree") },
              ]}
              onValueChange={(value) => form.type(`${path}.band`, value)}
            />
            <GroupNote path={`${path}.band`} />
          </div>
          <Fields prefix={`${path}.`} specs={PLAN_FIELDS} />
        </>
      )}
    </Fold>
  );
}

function AddPlan({ names }: { names: readonly string[] }) {
  const t = useT();
  const form = usePolicyForm();
  const [asking, setAsking] = useState(false);
  const [taken, setTaken] = useState(false);
  if (!asking) {
    return (
      <div>
        <Button size="sm" onClick={() => setAsking(true)}>
          {t("admin.policy.addPlan")}
        </Button>
      </div>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = (texts(event.currentTarget)["plan"] ?? "").trim().toLowerCase();
    if (name === "") return;
    setTaken(names.includes(name));
    if (names.includes(name)) return;
    form.change({ ...form.draft, added: [...form.draft.added, name] });
    setAsking(false);
  };
  return (
    <form onSubmit={submit} className="flex flex-wrap items-end gap-2">
      <div className="w-56">
        <TextField
          name="plan"
          label={t("admin.policy.addPlanName")}
          autoFocus
          maxLength={64}
          error={taken ? t("admin.policy.addPlanTaken") : undefined}
        />
      </div>
      <Button type="submit">{t("admin.policy.add")}</Button>
      <Button look="quiet" onClick={() => setAsking(false)}>
        {t("common.cancel")}
      </Button>
    </form>
  );
}
