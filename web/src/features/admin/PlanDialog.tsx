import { useState, type FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { Select } from "@/components/ui/Select";
import { TextField } from "@/components/ui/TextField";
import { usePolicy } from "@/features/admin/capacity/hooks";
import { useSetPlan } from "@/features/admin/hooks";
import type { Person } from "@/features/admin/types";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";
import { planTitle } from "@/lib/plans";

/** Put a person on a plan, with why. */
export function PlanDialog({ person, onClose }: { person: Person; onClose: () => void }) {
  const t = useT();
  const policy = usePolicy();
  const set = useSetPlan();
  const [plan, setPlan] = useState(person.plan);
  const [tried, setTried] = useState(false);
  const refused = formErrors(set.isPending ? null : set.error, ["plan", "reason"]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const reason = (texts(event.currentTarget)["reason"] ?? "").trim();
    setTried(reason === "");
    if (reason === "") return;
    set.mutate({ id: person.id, plan: plan === "" ? null : plan, reason }, { onSuccess: onClose });
  };
  const reasonError = tried ? t("admin.policy.reasonNeeded") : refused.fields["reason"];
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={t("admin.people.setPlanFor", { name: person.name })}
      description={t("admin.people.setPlanText")}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button look="primary" type="submit" form="set-plan" busy={set.isPending}>
            {t("admin.people.setPlanAction")}
          </Button>
        </>
      }
    >
      <form id="set-plan" onSubmit={submit} className="flex flex-col gap-4 pt-3">
        <Loaded query={policy}>
          {(view) => (
            <Select
              label={t("admin.people.plan")}
              value={plan}
              onValueChange={setPlan}
              options={[
                { value: "", label: t("admin.people.planDefault") },
                ...Object.keys(view.policy.plans).map((name) => ({ value: name, label: planTitle(name) })),
              ]}
            />
          )}
        </Loaded>
        <TextField
          name="reason"
          label={t("admin.people.planReason")}
          hint={t("admin.people.planReasonHint")}
          maxLength={1000}
          error={reasonError}
        />
        <FormNote text={refused.fields["plan"] ?? refused.form} />
      </form>
    </Dialog>
  );
}
