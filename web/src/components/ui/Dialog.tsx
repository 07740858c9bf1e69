import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { IconButton } from "@/components/ui/IconButton";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";

export interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** Said under the title and read out when the dialog opens. */
  description?: string;
  /** The title is for screen readers only. */
  titleHidden?: boolean;
  width?: "sm" | "md" | "lg" | "xl";
  footer?: ReactNode;
  children?: ReactNode;
}

const widths = { sm: "max-w-sm", md: "max-w-md", lg: "max-w-2xl", xl: "max-w-5xl" } as const;

/** The first field of the dialog, else the dialog itself: never its close button and that one's tooltip. */
function focusFirstField(event: Event) {
  event.preventDefault();
  const content = event.currentTarget as HTMLElement;
  const field = content.querySelector<HTMLElement>("input:not([type=hidden]):enabled, textarea, select");
  (field ?? content).focus();
}

/** A modal dialog: the focus stays in it, Esc closes it, and it goes back where it came from. */
export function Dialog(props: DialogProps) {
  const t = useT();
  const {
    open,
    onOpenChange,
    title,
    description,
    titleHidden = false,
    width = "md",
    footer,
    children,
  } = props;
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 animate-fade bg-scrim" />
        <Radix.Content
          {...(description === undefined ? { "aria-describedby": undefined } : {})}
          onOpenAutoFocus={focusFirstField}
          className={cx(
            "fixed z-50 flex max-h-[88dvh] w-full animate-rise flex-col border bg-raised shadow-lift outline-none",
            "max-sm:inset-x-0 max-sm:bottom-0 max-sm:rounded-t-3xl max-sm:pb-[env(safe-area-inset-bottom)]",
            "sm:top-[8dvh] sm:left-1/2 sm:max-h-[84dvh] sm:-translate-x-1/2 sm:rounded-2xl",
            widths[width],
            "max-sm:max-w-none",
          )}
        >
          <header className={cx(titleHidden ? "sr-only" : "flex items-start gap-4 px-5 pt-5 pb-2")}>
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-lg leading-snug font-semibold tracking-tight">{title}</Radix.Title>
              {description !== undefined && (
                <Radix.Description className="mt-1 text-sm text-ink-soft">{description}</Radix.Description>
              )}
            </div>
            {!titleHidden && (
              <Radix.Close asChild>
                <IconButton label={t("common.close")} className="-me-1.5 -mt-1">
                  <X size={18} aria-hidden />
                </IconButton>
              </Radix.Close>
            )}
          </header>
          <div
            className={cx("min-h-0 flex-1 overflow-y-auto scroll-quiet", !titleHidden && "px-5 pt-1 pb-5")}
          >
            {children}
          </div>
          {footer !== undefined && (
            <footer className="flex flex-wrap justify-end gap-2 border-t px-5 py-3.5">{footer}</footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
