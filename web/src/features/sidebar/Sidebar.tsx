import { PanelLeft, Search, SquarePen } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { AccountMenu } from "@/features/sidebar/AccountMenu";
import { ConversationList } from "@/features/sidebar/ConversationList";
import { Folders } from "@/features/sidebar/Folders";
import { openLayer, setDrawer, toggleSidebar, useSidebarUi } from "@/features/sidebar/ui";
import { IconButton } from "@/components/ui/IconButton";
import { Mark } from "@/components/ui/Mark";
import { modKey } from "@/lib/focus";
import { useT } from "@/lib/i18n";
import { useBootstrap } from "@/lib/session";

/** The column of a wide screen, the drawer of a narrow one. */
export function Sidebar({ onNew }: { onNew: () => void }) {
  const t = useT();
  const { column, drawer } = useSidebarUi();
  return (
    <>
      {column && (
        <nav
          aria-label={t("sidebar.label")}
          className="hidden w-[17rem] shrink-0 border-e bg-sunken md:block"
        >
          <Content onNew={onNew} />
        </nav>
      )}
      <Radix.Root open={drawer} onOpenChange={setDrawer}>
        <Radix.Portal>
          <Radix.Overlay className="fixed inset-0 z-40 animate-fade bg-scrim md:hidden" />
          <Radix.Content
            aria-describedby={undefined}
            onOpenAutoFocus={(event) => {
              // On the drawer itself: the first button would show its tooltip unasked.
              event.preventDefault();
              if (event.currentTarget instanceof HTMLElement) event.currentTarget.focus();
            }}
            className="fixed inset-y-0 start-0 z-50 w-[min(19rem,86vw)] animate-slide-in bg-sunken shadow-lift outline-none md:hidden"
          >
            <Radix.Title className="sr-only">{t("sidebar.label")}</Radix.Title>
            <Content onNew={onNew} />
          </Radix.Content>
        </Radix.Portal>
      </Radix.Root>
    </>
  );
}

/** The button that brings the sidebar back; shown where it is not. */
export function SidebarButton() {
  const t = useT();
  const { column } = useSidebarUi();
  return (
    <IconButton
      size="md"
      label={t("sidebar.open")}
      onClick={toggleSidebar}
      className={column ? "md:hidden" : ""}
    >
      <PanelLeft size={19} aria-hidden />
    </IconButton>
  );
}

function Content({ onNew }: { onNew: () => void }) {
  const t = useT();
  const [, navigate] = useLocation();
  const name = useBootstrap().data?.instance_name ?? t("common.appName");
  return (
    <div className="flex h-full flex-col pt-[env(safe-area-inset-top)]">
      <div className="flex h-14 shrink-0 items-center justify-between ps-4 pe-2.5">
        <Link
          href="/"
          onClick={() => setDrawer(false)}
          className="flex min-w-0 items-center gap-2 rounded-lg"
        >
          <Mark className="size-6 shrink-0 text-ember" />
          <span className="truncate font-display text-xl tracking-tight">{name || t("common.appName")}</span>
        </Link>
        <IconButton size="md" label={t("sidebar.close")} onClick={toggleSidebar}>
          <PanelLeft size={18} aria-hidden />
        </IconButton>
      </div>
      <div className="flex flex-col gap-0.5 px-2.5 pb-2">
        <Row
          icon={<SquarePen size={17} aria-hidden />}
          onClick={() => {
            setDrawer(false);
            onNew();
            navigate("/");
          }}
        >
          {t("sidebar.newChat")}
        </Row>
        <Row
          icon={<Search size={17} aria-hidden />}
          shortcut={`${modKey} K`}
          onClick={() => openLayer("search")}
        >
          {t("sidebar.search")}
        </Row>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-2.5 pt-1 scroll-quiet">
        <Folders />
        <ConversationList query={{ archived: false, folder_id: null }} byDate empty={t("sidebar.empty")} />
      </div>
      <div className="border-t p-2 pb-[max(0.5rem,env(safe-area-inset-bottom))]">
        <AccountMenu />
      </div>
    </div>
  );
}

interface RowProps {
  icon: ReactNode;
  shortcut?: string;
  onClick: () => void;
  children: ReactNode;
}

function Row({ icon, shortcut, onClick, children }: RowProps) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="group flex h-9 items-center gap-3 rounded-xl px-3 text-sm font-medium hover:bg-hover pointer-coarse:h-11"
    >
      <span className="text-ink-faint group-hover:text-ember">{icon}</span>
      <span className="flex-1 text-start">{children}</span>
      {shortcut !== undefined && (
        <kbd className="font-sans text-xs font-normal text-ink-faint max-md:hidden">{shortcut}</kbd>
      )}
    </button>
  );
}
