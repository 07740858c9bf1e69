import type { FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { TextField } from "@/components/ui/TextField";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";

export interface SaveBarProps {
  changes: number;
  reason: string;
  onReason: (reason: string) => void;
  reasonError: string | undefined;
  /** What is wrong with the whole. */
  note: string | null;
  stale: boolean;
  busy: boolean;
  reloading: boolean;
  onReload: () => void;
  onDiscard: () => void;
  onSave: () => void;
}

/** Stays at the foot of the form: how much was changed, why, and the way to put it in force. */
export function SaveBar(props: SaveBarProps) {
  const t = useT();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    props.onSave();
  };
  return (
    <form
      onSubmit={submit}
      aria-label={t("admin.policy.save")}
      className={cx(
        "flex flex-col gap-3 rounded-2xl border bg-raised p-4",
        props.changes > 0 ? "sticky bottom-3 z-10 shadow-lift" : "shadow-soft",
      )}
    >
      {props.stale && (
        <div
          role="alert"
          className="flex flex-wrap items-center gap-3 rounded-xl bg-bad-soft px-3.5 py-2.5 text-sm"
        >
          <p className="min-w-[min(100%,14rem)] flex-1">
            <strong className="font-semibold text-bad">{t("admin.policy.stale")}</strong>{" "}
            {t("admin.policy.staleText")}
          </p>
          <Button size="sm" busy={props.reloading} onClick={props.onReload}>
            {t("admin.policy.reload")}
          </Button>
        </div>
      )}
      <FormNote text={props.note} />
      <div className="flex flex-wrap items-start gap-3">
        <div className="flex-1 max-sm:basis-full">
          <TextField
            name="reason"
            label={t("admin.policy.reason")}
            labelHidden
            placeholder={t("admin.policy.reason")}
            value={props.reason}
            maxLength={1000}
            onChange={(event) => props.onReason(event.target.value)}
            error={props.reasonError}
          />
        </div>
        <Button
          look="quiet"
          className="max-sm:ms-auto"
          disabled={props.changes === 0}
          onClick={props.onDiscard}
        >
          {t("admin.policy.discard")}
        </Button>
        <Button type="submit" look="primary" busy={props.busy} disabled={props.changes === 0}>
          {t("admin.policy.save")}
        </Button>
      </div>
      <p role="status" className="text-xs text-ink-faint">
        {props.changes === 0
          ? t("admin.policy.noChanges")
          : t("admin.policy.changes", { count: props.changes })}
        <span className="max-sm:hidden"> · {t("admin.policy.reasonHint")}</span>
      </p>
    </form>
  );
}
