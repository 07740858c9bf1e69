import { Check, ChevronRight } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

const surface =
  "z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 max-w-[min(22rem,calc(100vw-1rem))] animate-fade overflow-y-auto rounded-xl border bg-raised p-1 shadow-lift scroll-quiet";

const item =
  "flex min-h-9 select-none items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm outline-none data-[highlighted]:bg-hover data-[disabled]:pointer-events-none data-[disabled]:opacity-45";

export interface MenuProps {
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "center" | "end";
  side?: "top" | "bottom" | "left" | "right";
  label?: string;
  onOpenChange?: (open: boolean) => void;
}

/** A menu opened by `trigger` (one button). Arrow keys, typing ahead and Esc work as everywhere. */
export function Menu({
  trigger,
  children,
  align = "start",
  side = "bottom",
  label,
  onOpenChange,
}: MenuProps) {
  return (
    <Radix.Root modal={false} {...(onOpenChange === undefined ? {} : { onOpenChange })}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          side={side}
          sideOffset={6}
          collisionPadding={8}
          aria-label={label}
          className={surface}
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface MenuItemProps {
  icon?: ReactNode;
  onSelect: () => void;
  danger?: boolean;
  disabled?: boolean;
  /** Said quietly under the label. */
  note?: string;
  checked?: boolean;
  children: ReactNode;
}

export function MenuItem({
  icon,
  onSelect,
  danger = false,
  disabled = false,
  note,
  checked,
  children,
}: MenuItemProps) {
  return (
    <Radix.Item disabled={disabled} onSelect={onSelect} className={cx(item, danger && "text-bad")}>
      {icon !== undefined && <span className={cx("shrink-0", !danger && "text-ink-faint")}>{icon}</span>}
      <span className="min-w-0 flex-1">
        <span className="block truncate">{children}</span>
        {note !== undefined && <span className="block text-xs leading-snug text-ink-faint">{note}</span>}
      </span>
      {checked === true && <Check size={16} className="shrink-0 text-ember" aria-hidden />}
    </Radix.Item>
  );
}

export function MenuSub({ icon, label, children }: { icon?: ReactNode; label: string; children: ReactNode }) {
  return (
    <Radix.Sub>
      <Radix.SubTrigger className={cx(item, "data-[state=open]:bg-hover")}>
        {icon !== undefined && <span className="shrink-0 text-ink-faint">{icon}</span>}
        <span className="min-w-0 flex-1 truncate">{label}</span>
        <ChevronRight size={15} className="text-ink-faint" aria-hidden />
      </Radix.SubTrigger>
      <Radix.Portal>
        <Radix.SubContent sideOffset={4} collisionPadding={8} className={surface}>
          {children}
        </Radix.SubContent>
      </Radix.Portal>
    </Radix.Sub>
  );
}

export function MenuLine() {
  return <Radix.Separator className="mx-1 my-1 h-px bg-line" />;
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-medium text-ink-faint">{children}</Radix.Label>
  );
}
