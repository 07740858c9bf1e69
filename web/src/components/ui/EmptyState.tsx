import type { ReactNode } from "react";

/** Nothing here yet, and what to do about it. */
export function EmptyState({
  icon,
  title,
  text,
  action,
}: {
  icon?: ReactNode;
  title: string;
  text?: string;
  action?: ReactNode;
}) {
  return (
    <div className="mx-auto flex max-w-sm flex-col items-center gap-2 px-6 py-12 text-center">
      {icon !== undefined && <div className="mb-1 text-ink-faint">{icon}</div>}
      <h2 className="font-display text-xl">{title}</h2>
      {text !== undefined && <p className="text-sm text-ink-soft">{text}</p>}
      {action !== undefined && <div className="mt-3">{action}</div>}
    </div>
  );
}
