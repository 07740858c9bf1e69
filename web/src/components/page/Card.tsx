import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

export interface CardProps {
  title?: string;
  text?: string;
  /** Stands right of the title. */
  action?: ReactNode;
  look?: "plain" | "danger";
  children?: ReactNode;
}

/** A group of things that belong together, with its name. */
export function Card({ title, text, action, look = "plain", children }: CardProps) {
  return (
    <div
      className={cx(
        "rounded-2xl border bg-surface shadow-soft",
        look === "danger" && "border-bad/35 shadow-none",
      )}
    >
      {(title !== undefined || action !== undefined) && (
        <div className="flex flex-wrap items-start gap-x-4 gap-y-3 px-5 pt-4 pb-1">
          <div className="min-w-[min(100%,14rem)] flex-1">
            {title !== undefined && <h3 className="font-medium">{title}</h3>}
            {text !== undefined && <p className="mt-0.5 max-w-prose text-sm text-ink-soft">{text}</p>}
          </div>
          {action}
        </div>
      )}
      {children}
    </div>
  );
}

/** A padded part of a card. */
export function CardBody({ children, className }: { children: ReactNode; className?: string }) {
  return <div className={cx("flex flex-col gap-4 px-5 pt-3 pb-5", className)}>{children}</div>;
}

/** Rows of a card with hairlines between them; a list for screen readers. */
export function CardRows({ children, label }: { children: ReactNode; label: string }) {
  return (
    <ul aria-label={label} className="mt-3 divide-y divide-line border-t">
      {children}
    </ul>
  );
}

export function CardRow({ children, className }: { children: ReactNode; className?: string }) {
  return <li className={cx("flex items-center gap-4 px-5 py-3.5", className)}>{children}</li>;
}
