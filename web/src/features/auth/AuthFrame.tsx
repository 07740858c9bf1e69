import type { ReactNode } from "react";
import { Mark } from "@/components/ui/Mark";

/** The quiet page around signing in and signing up. */
export function AuthFrame({
  title,
  text,
  children,
  footer,
}: {
  title: string;
  text?: string | undefined;
  children: ReactNode;
  footer?: ReactNode;
}) {
  return (
    <main className="grid min-h-dvh place-items-center bg-[radial-gradient(60rem_32rem_at_50%_-8rem,var(--fs-ember-soft),transparent_70%)] px-4 py-10">
      <div className="w-full max-w-[23.5rem] animate-rise">
        <div className="flex flex-col items-center text-center">
          <Mark className="size-11 text-ember" />
          <h1 className="mt-4 font-display text-[1.75rem] leading-tight tracking-tight text-balance">
            {title}
          </h1>
          {text !== undefined && <p className="mt-2 max-w-xs text-sm text-pretty text-ink-soft">{text}</p>}
        </div>
        <div className="mt-7 rounded-3xl border bg-surface p-6 shadow-soft">{children}</div>
        {footer !== undefined && (
          <div className="mt-5 flex flex-col gap-2 text-center text-sm text-ink-soft">{footer}</div>
        )}
      </div>
    </main>
  );
}
