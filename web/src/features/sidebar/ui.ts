import { create } from "zustand";
import { recall, remember } from "@/lib/storage";
import type { ConversationView } from "@/lib/api/types";

export type Layer = "search" | "shortcuts" | "archived" | null;

interface SidebarUi {
  /** The drawer of a narrow screen. */
  drawer: boolean;
  /** The column of a wide one. */
  column: boolean;
  layer: Layer;
  sharing: ConversationView | null;
}

/** What of the sidebar is open; nothing here comes from the server. */
export const useSidebarUi = create<SidebarUi>(() => ({
  drawer: false,
  column: recall("sidebar") !== "closed",
  layer: null,
  sharing: null,
}));

export const openLayer = (layer: Layer) => useSidebarUi.setState({ layer, drawer: false });
export const share = (sharing: ConversationView | null) => useSidebarUi.setState({ sharing });
export const setDrawer = (drawer: boolean) => useSidebarUi.setState({ drawer });

export function setColumn(column: boolean): void {
  remember("sidebar", column ? null : "closed");
  useSidebarUi.setState({ column });
}

/** Whether the screen has room for the sidebar as a column. */
export const isWide = () => globalThis.matchMedia("(min-width: 48rem)").matches;

export function toggleSidebar(): void {
  const { column, drawer } = useSidebarUi.getState();
  if (isWide()) setColumn(!column);
  else setDrawer(!drawer);
}
