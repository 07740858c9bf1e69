import type { ComponentProps, ReactNode } from "react";
import { Tooltip } from "@/components/ui/Tooltip";
import { cx } from "@/lib/cx";

export interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label"> {
  /** What the button does: its accessible name and its tooltip. */
  label: string;
  shortcut?: string;
  size?: "sm" | "md" | "lg";
  children: ReactNode;
}

const sizes = { sm: "size-8 rounded-lg", md: "size-9 rounded-xl", lg: "size-11 rounded-xl" } as const;

/** A button with a picture only; its label is its tooltip. */
export function IconButton({ label, shortcut, size = "sm", className, children, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label} {...(shortcut === undefined ? {} : { shortcut })}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={cx(
          "inline-flex shrink-0 items-center justify-center text-ink-faint transition-colors",
          "hover:bg-hover hover:text-ink aria-pressed:text-ember data-[state=open]:bg-hover data-[state=open]:text-ink",
          "disabled:pointer-events-none disabled:opacity-40",
          sizes[size],
          className,
        )}
      >
        {children}
      </button>
    </Tooltip>
  );
}
