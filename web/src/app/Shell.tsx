import type { ReactNode } from "react";

/** The sidebar beside the page. */
export function Shell({ children }: { children: ReactNode }) {
  return <div className="flex h-dvh">{children}</div>;
}
