import { X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { create } from "zustand";
import { IconButton } from "@/components/ui/IconButton";
import { useT } from "@/lib/i18n";

export interface ToastAsk {
  title: string;
  text?: string;
  look?: "plain" | "bad";
  /** A chance to take it back, or to try again. */
  action?: { label: string; run: () => void };
  /** How long it stays, in ms; one with an action stays longer. */
  durationMs?: number;
}

interface Shown extends ToastAsk {
  id: number;
}

const useToasts = create<{ shown: Shown[] }>(() => ({ shown: [] }));
let count = 0;

/** Say something in passing, from anywhere. At most three are shown. */
export function toast(ask: ToastAsk): void {
  count += 1;
  const id = count;
  useToasts.setState(({ shown }) => ({ shown: [...shown, { ...ask, id }].slice(-3) }));
}

function dismiss(id: number): void {
  useToasts.setState(({ shown }) => ({ shown: shown.filter((one) => one.id !== id) }));
}

/** Where toasts appear; once, at the root. F8 moves the focus there. */
export function Toaster() {
  const t = useT();
  const shown = useToasts((state) => state.shown);
  return (
    <Radix.Provider swipeDirection="right">
      {shown.map((one) => (
        <Radix.Root
          key={one.id}
          duration={one.durationMs ?? (one.action === undefined ? 4500 : 9000)}
          onOpenChange={(open) => !open && dismiss(one.id)}
          className="flex animate-rise items-center gap-3 rounded-2xl border bg-raised py-2.5 ps-4 pe-2 shadow-lift"
        >
          <div className="min-w-0 flex-1 py-0.5">
            <Radix.Title
              className={one.look === "bad" ? "text-sm font-medium text-bad" : "text-sm font-medium"}
            >
              {one.title}
            </Radix.Title>
            {one.text !== undefined && one.text !== "" && (
              <Radix.Description className="mt-0.5 text-sm text-ink-soft">{one.text}</Radix.Description>
            )}
          </div>
          {one.action !== undefined && (
            <Radix.Action
              altText={one.action.label}
              onClick={one.action.run}
              className="h-8 shrink-0 rounded-lg px-3 text-sm font-medium text-ember hover:bg-hover"
            >
              {one.action.label}
            </Radix.Action>
          )}
          <Radix.Close asChild>
            <IconButton label={t("common.close")}>
              <X size={16} aria-hidden />
            </IconButton>
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed inset-x-3 top-[max(0.75rem,env(safe-area-inset-top))] z-[60] mx-auto flex max-w-md flex-col gap-2 outline-none sm:inset-x-auto sm:top-16 sm:right-4 sm:w-96" />
    </Radix.Provider>
  );
}
