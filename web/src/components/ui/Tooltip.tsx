import { Tooltip as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** One provider around the application, so that a second tooltip opens at once. */
export function TooltipProvider({ children }: { children: ReactNode }) {
  return (
    <Radix.Provider delayDuration={450} skipDelayDuration={200}>
      {children}
    </Radix.Provider>
  );
}

/** A word about what a control does. Only for the eye: the control carries its own label. */
export function Tooltip({
  text,
  shortcut,
  children,
}: {
  text: string;
  shortcut?: string;
  children: ReactNode;
}) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          collisionPadding={8}
          className="z-50 animate-fade rounded-lg bg-ink px-2.5 py-1 text-xs text-canvas select-none pointer-events-none"
        >
          {text}
          {shortcut !== undefined && <kbd className="ms-2 font-sans opacity-70">{shortcut}</kbd>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
