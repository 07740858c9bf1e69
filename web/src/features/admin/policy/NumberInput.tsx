import { useId } from "react";
import type { NumberSpec } from "@/features/admin/policy/fields";
import { usePolicyForm } from "@/features/admin/policy/form";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";

/** A number of the policy with its unit beside it; a changed one is marked. */
export function NumberInput({ path, spec, label }: { path: string; spec: NumberSpec; label?: string }) {
  const t = useT();
  const id = useId();
  const form = usePolicyForm();
  const text = form.text(path);
  const wrong = form.wrongAt(path);
  const changed = form.draft.edits[path] !== undefined;
  const noLimit = spec.zeroIsNone === true && text.trim() === "0";
  const hint = spec.hint === undefined ? "" : t(spec.hint);
  const note = wrong ?? hint;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm text-ink-soft">
        {label ?? t(spec.label)}
      </label>
      <div
        className={cx(
          "flex h-10 items-center gap-2 rounded-xl border bg-surface px-3 has-focus-visible:outline-2 has-focus-visible:outline-ember",
          wrong !== undefined ? "border-bad" : changed ? "border-ember" : "border-line-strong",
        )}
      >
        <input
          id={id}
          name={path}
          inputMode="decimal"
          autoComplete="off"
          value={text}
          onChange={(event) => form.type(path, event.target.value)}
          aria-invalid={wrong !== undefined || undefined}
          aria-describedby={note === "" ? undefined : `${id}-note`}
          className="w-full min-w-0 bg-transparent text-sm tabular-nums outline-none max-sm:text-base"
        />
        <span className="shrink-0 text-xs text-ink-faint">
          {noLimit ? t("admin.policy.noLimit") : t(`admin.policy.unit.${spec.unit}`)}
        </span>
      </div>
      {note !== "" && (
        <p
          id={`${id}-note`}
          role={wrong === undefined ? undefined : "alert"}
          className={cx("text-xs text-pretty", wrong === undefined ? "text-ink-faint" : "text-bad")}
        >
          {note}
        </p>
      )}
    </div>
  );
}

/** What is wrong with a group of fields as a whole. */
export function GroupNote({ path }: { path: string }) {
  const wrong = usePolicyForm().wrongAt(path);
  if (wrong === undefined) return null;
  return (
    <p role="alert" className="rounded-xl bg-bad-soft px-3.5 py-2.5 text-sm text-bad">
      {wrong}
    </p>
  );
}

/** Fields beside one another, as many as fit. */
export function Fields({ prefix, specs }: { prefix: string; specs: readonly NumberSpec[] }) {
  return (
    <div className="grid gap-x-4 gap-y-4 sm:grid-cols-2 xl:grid-cols-3">
      {specs.map((spec) => (
        <NumberInput key={spec.name} path={prefix + spec.name} spec={spec} />
      ))}
    </div>
  );
}
