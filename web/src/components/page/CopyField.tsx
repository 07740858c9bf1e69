import { Check, Copy } from "lucide-react";
import { useId } from "react";
import { Button } from "@/components/ui/Button";
import { useCopy } from "@/lib/clipboard";
import { useT } from "@/lib/i18n";

/** A secret or link that is shown once, with a button that copies it. */
export function CopyField({ label, value }: { label: string; value: string }) {
  const t = useT();
  const id = useId();
  const [copied, copy] = useCopy();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={value}
          onFocus={(event) => event.target.select()}
          className="h-10 min-w-0 flex-1 rounded-xl border border-line-strong bg-sunken px-3.5 font-mono text-[0.8125rem] text-ink"
        />
        <Button onClick={() => void copy(value)}>
          {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          {copied ? t("common.copied") : t("common.copy")}
        </Button>
      </div>
      <span role="status" className="sr-only">
        {copied ? t("common.copied") : ""}
      </span>
    </div>
  );
}
