import { lazy, Suspense } from "react";
import { ConversationList } from "@/features/sidebar/ConversationList";
import { openLayer, useSidebarUi } from "@/features/sidebar/ui";
import { Dialog } from "@/components/ui/Dialog";
import { useT } from "@/lib/i18n";

const SearchDialog = lazy(() =>
  import("@/features/sidebar/SearchDialog").then((m) => ({ default: m.SearchDialog })),
);
const ShortcutsDialog = lazy(() =>
  import("@/features/sidebar/ShortcutsDialog").then((m) => ({ default: m.ShortcutsDialog })),
);
const ShareDialog = lazy(() =>
  import("@/features/sidebar/ShareDialog").then((m) => ({ default: m.ShareDialog })),
);

/** The dialogs of the sidebar; their code is fetched when one is opened. */
export function Layers() {
  const layer = useSidebarUi((state) => state.layer);
  const sharing = useSidebarUi((state) => state.sharing);
  return (
    <Suspense>
      {layer === "search" && <SearchDialog />}
      {layer === "shortcuts" && <ShortcutsDialog />}
      {layer === "archived" && <ArchivedDialog />}
      {sharing !== null && <ShareDialog />}
    </Suspense>
  );
}

function ArchivedDialog() {
  const t = useT();
  return (
    <Dialog open onOpenChange={(open) => !open && openLayer(null)} title={t("sidebar.archived")}>
      <ConversationList
        query={{ archived: true, folder_id: null }}
        byDate={false}
        empty={t("sidebar.noArchived")}
      />
    </Dialog>
  );
}
