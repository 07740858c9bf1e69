import { ChevronRight } from "lucide-react";
import { useId, useState, type ReactNode } from "react";
import { Badge } from "@/components/page/Badge";
import { usePolicyForm } from "@/features/admin/policy/form";
import { GroupNote } from "@/features/admin/policy/NumberInput";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";

/** A group of the policy that opens; it stays open while something in it is wrong. */
export function Fold({
  title,
  path,
  note,
  action,
  children,
}: {
  title: string;
  path: string;
  note?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
}) {
  const t = useT();
  const id = useId();
  const form = usePolicyForm();
  const [wanted, setWanted] = useState(false);
  const changes = Object.keys(form.draft.edits).filter((each) => each.startsWith(`${path}.`)).length;
  const open = wanted || form.wrongAt(`${path}.*`) !== undefined;
  return (
    <div className="border-t first:border-t-0">
      <div className="flex items-center gap-2">
        <h4 className="min-w-0 flex-1">
          <button
            type="button"
            aria-expanded={open}
            aria-controls={id}
            onClick={() => setWanted(!open)}
            className="flex w-full items-center gap-2 rounded-lg py-3 text-start text-sm font-medium"
          >
            <ChevronRight
              size={16}
              aria-hidden
              className={cx("shrink-0 text-ink-faint transition-transform", open && "rotate-90")}
            />
            <span className="truncate">{title}</span>
            {note}
            {changes > 0 && <Badge look="ember">{t("admin.policy.changes", { count: changes })}</Badge>}
          </button>
        </h4>
        {action}
      </div>
      <div id={id} hidden={!open} className="flex flex-col gap-4 pb-5 sm:ps-6">
        <GroupNote path={path} />
        {open && children}
      </div>
    </div>
  );
}
