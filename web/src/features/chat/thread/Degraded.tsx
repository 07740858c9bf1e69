import { Leaf } from "lucide-react";
import { useState } from "react";
import type { Message } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";

interface Degradation {
  kind: string;
  why: string;
}

/** What the server noted on a reply that it gave with less than usual. */
export function degradationOf(message: Message): Degradation | null {
  const ours = message.provider_data?.["fireside"] as { degraded?: Partial<Degradation> } | undefined;
  const said = ours?.degraded;
  return typeof said?.kind === "string" ? { kind: said.kind, why: said.why ?? "" } : null;
}

/** A quiet word under a reply that is shorter or smaller than usual; pressing it says why. */
export function Degraded({ message }: { message: Message }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  const found = degradationOf(message);
  if (found === null) return null;
  const { kind, why } = found;
  const words =
    kind === "shorter" || kind === "smaller_model" ? t(`chat.degraded.${kind}`) : t("chat.degraded.less");
  const inner = (
    <>
      <Leaf size={13} aria-hidden className="shrink-0" />
      {words}
    </>
  );
  const look = "inline-flex items-center gap-1.5 text-xs text-ink-faint";
  return (
    <div className="mt-2">
      {why === "" ? (
        <p className={look}>{inner}</p>
      ) : (
        <button
          type="button"
          title={why}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          className={`${look} rounded-md underline decoration-dotted underline-offset-4 hover:text-ink-soft`}
        >
          {inner}
        </button>
      )}
      {open && <p className="mt-1 max-w-prose animate-fade text-xs text-ink-soft">{why}</p>}
    </div>
  );
}
