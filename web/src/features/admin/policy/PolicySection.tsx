import { useState } from "react";
import { Loaded } from "@/components/page/Loaded";
import { toast } from "@/components/ui/Toast";
import { useEarlierPolicy, usePolicy, useSavePolicy } from "@/features/admin/capacity/hooks";
import { BANDS } from "@/features/admin/capacity/types";
import type { PolicyView } from "@/lib/api/types";
import { BandsCard } from "@/features/admin/policy/BandsCard";
import {
  anchorOf,
  applied,
  noDraft,
  numChanges,
  rebased,
  shown,
  towards,
  typed,
} from "@/features/admin/policy/draft";
import { BAND_FIELDS, FINE_FIELDS, LADDER_FIELDS, PLAN_FIELDS } from "@/features/admin/policy/fields";
import { PolicyFormContext } from "@/features/admin/policy/form";
import { FineCard, LadderCard } from "@/features/admin/policy/LadderCard";
import { PlansCard } from "@/features/admin/policy/PlansCard";
import { SaveBar } from "@/features/admin/policy/SaveBar";
import { VersionsCard } from "@/features/admin/policy/VersionsCard";
import { ApiError } from "@/lib/api/client";
import { explain } from "@/lib/errors";
import { formatDateTime, useT } from "@/lib/i18n";

/** The rules of the gate, edited as a form; every version is kept with who put it in force and why. */
export function PolicySection() {
  const policy = usePolicy();
  return (
    <Loaded query={policy}>
      {(view) => <Form view={view} reload={async () => (await policy.refetch()).data} />}
    </Loaded>
  );
}

/** Every place of the form that a refusal can be shown at. */
function anchorsOf(plans: readonly string[]): string[] {
  const fields = (prefix: string, specs: readonly { name: string }[]) =>
    specs.map(({ name }) => prefix + name);
  return [
    "bands",
    ...BANDS.flatMap((band) => [`bands.${band}`, ...fields(`bands.${band}.`, BAND_FIELDS)]),
    "plans",
    ...plans.flatMap((plan) => [
      `plans.${plan}`,
      `plans.${plan}.band`,
      ...fields(`plans.${plan}.`, PLAN_FIELDS),
    ]),
    "default_plan",
    "admin_plan",
    "small_model",
    "ladder",
    "ladder.thresholds",
    ...[0, 1, 2, 3, 4].map((index) => `ladder.thresholds.${index}`),
    ...fields("ladder.", LADDER_FIELDS),
    ...fields("", FINE_FIELDS),
    "reason",
  ];
}

function Form({ view, reload }: { view: PolicyView; reload: () => Promise<PolicyView | undefined> }) {
  const t = useT();
  const save = useSavePolicy();
  const earlier = useEarlierPolicy();
  const [draft, setDraft] = useState(noDraft);
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [reloading, setReloading] = useState(false);
  // What the draft stands on: a newer version elsewhere must not move under the form.
  const [base, setBase] = useState(view);
  const { policy } = base;

  const { wrong } = applied(policy, draft);
  const stale = save.error instanceof ApiError && save.error.code === "policy_changed";
  const anchors = anchorsOf([...Object.keys(policy.plans), ...draft.added]);
  const param = save.error instanceof ApiError ? save.error.param : null;
  const refusedAt = save.error === null || stale ? null : anchorOf(param, anchors);
  const { title, hint } = explain(save.error);
  const words = [title, hint].filter(Boolean).join(" ");

  const wrongAt = (path: string): string | undefined => {
    // "plans.free.*" asks for anything within.
    const within = path.endsWith(".*") ? path.slice(0, -1) : null;
    const fits = (each: string) => (within === null ? each === path : each.startsWith(within));
    if (tried && wrong.some(fits)) return t("admin.policy.notANumber");
    return refusedAt !== null && fits(refusedAt) ? words : undefined;
  };
  const change = (next: typeof draft) => {
    setDraft(next);
    if (!stale && save.isError) save.reset();
  };
  const restart = (on: PolicyView, next = noDraft) => {
    setBase(on);
    setDraft(next);
    setTried(false);
    save.reset();
  };
  const submit = () => {
    setTried(true);
    const result = applied(policy, draft);
    if (result.wrong.length > 0 || reason.trim() === "") {
      const first = reason.trim() === "" ? "reason" : result.wrong[0]!;
      document.querySelector<HTMLInputElement>(`[name="${CSS.escape(first)}"]`)?.focus();
      return;
    }
    save.mutate(
      { policy: result.policy, reason: reason.trim(), based_on: base.version },
      {
        onSuccess: (saved) => {
          restart(saved);
          setReason("");
        },
      },
    );
  };
  const loadNewer = async () => {
    setReloading(true);
    const newer = await reload();
    setReloading(false);
    if (newer === undefined) return;
    restart(newer, rebased(newer.policy, draft));
    toast({ title: t("admin.policy.reloaded", { version: newer.version }) });
  };
  const restore = (version: number) =>
    earlier.mutate(version, {
      onSuccess: (old) => {
        restart(base, towards(policy, old.policy));
        setReason(t("admin.policy.restoreReason", { version }));
        toast({ title: t("admin.policy.restored", { version }) });
      },
      onError: (error) => toast({ title: explain(error).title, text: explain(error).hint, look: "bad" }),
    });

  const form = {
    policy,
    draft,
    text: (path: string) => shown(policy, draft, path),
    type: (path: string, text: string) => change(typed(policy, draft, path, text)),
    change,
    wrongAt,
  };
  const reasonError = tried && reason.trim() === "" ? t("admin.policy.reasonNeeded") : wrongAt("reason");
  return (
    <PolicyFormContext value={form}>
      <p className="-mt-2 text-sm text-ink-soft">
        <span className="font-medium text-ink">{t("admin.policy.inForce", { version: base.version })}</span>{" "}
        {base.at === null
          ? t("admin.policy.first")
          : t("admin.policy.since", {
              author: base.author || t("admin.policy.somebody"),
              date: formatDateTime(base.at),
              reason: base.reason,
            })}
      </p>
      {/* What the keyboard reaches must not lie under the bar at the foot. */}
      <div className="flex flex-col gap-6 [&_:is(input,button,select)]:scroll-mb-44">
        <PlansCard />
        <BandsCard />
        <LadderCard />
        <FineCard />
      </div>
      <SaveBar
        changes={numChanges(draft)}
        reason={reason}
        onReason={setReason}
        reasonError={reasonError}
        note={save.error !== null && !stale && refusedAt === null ? words : null}
        stale={stale}
        busy={save.isPending}
        reloading={reloading}
        onReload={() => void loadNewer()}
        onDiscard={() => restart(base)}
        onSave={submit}
      />
      <VersionsCard
        current={base.version}
        busyWith={earlier.isPending ? earlier.variables : null}
        onRestore={restore}
      />
    </PolicyFormContext>
  );
}
