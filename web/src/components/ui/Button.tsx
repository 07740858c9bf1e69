import type { ComponentProps } from "react";
import { Spinner } from "@/components/ui/Spinner";
import { cx } from "@/lib/cx";

const looks = {
  primary: "bg-ember text-on-ember hover:bg-ember-strong",
  secondary: "border border-line-strong bg-surface text-ink hover:bg-hover",
  quiet: "text-ink-soft hover:bg-hover hover:text-ink",
  danger: "border border-bad/40 bg-surface text-bad hover:bg-bad-soft",
} as const;

const sizes = { sm: "h-8 px-3 text-sm", md: "h-10 px-4 text-sm", lg: "h-11 px-5" } as const;

export interface ButtonProps extends ComponentProps<"button"> {
  look?: keyof typeof looks;
  size?: keyof typeof sizes;
  busy?: boolean;
}

/** A button with words. `busy` shows a spinner and takes no clicks, keeping the focus. */
export function Button({
  look = "secondary",
  size = "md",
  busy = false,
  className,
  children,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      aria-disabled={busy || rest["aria-disabled"]}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
      className={cx(
        "inline-flex shrink-0 items-center justify-center gap-2 rounded-xl font-medium whitespace-nowrap transition-colors",
        "disabled:pointer-events-none disabled:opacity-50",
        looks[look],
        sizes[size],
        className,
      )}
    >
      {busy && <Spinner className="size-4" />}
      {children}
    </button>
  );
}
