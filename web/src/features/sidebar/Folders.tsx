import { ChevronRight, Ellipsis, FolderPlus, Pencil, SquarePen, Trash2 } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { ConversationList } from "@/features/sidebar/ConversationList";
import { NameField } from "@/features/sidebar/NameField";
import { setDrawer } from "@/features/sidebar/ui";
import { useFolderActions, useFolders } from "@/features/sidebar/useConversations";
import { ConfirmDialog } from "@/components/ui/ConfirmDialog";
import { IconButton } from "@/components/ui/IconButton";
import { Menu, MenuItem } from "@/components/ui/Menu";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";
import type { Folder } from "@/lib/api/types";

/** The folders, each opening to its conversations. */
export function Folders() {
  const t = useT();
  const { data: folders = [] } = useFolders();
  const { create } = useFolderActions();
  const [making, setMaking] = useState(false);
  return (
    <section aria-label={t("sidebar.folders")} className="group/folders pb-2">
      <div className="flex items-center justify-between ps-3 pe-1">
        <h3 className="text-xs font-medium text-ink-faint">{t("sidebar.folders")}</h3>
        <IconButton label={t("sidebar.newFolder")} onClick={() => setMaking(true)}>
          <FolderPlus size={16} aria-hidden />
        </IconButton>
      </div>
      {making && (
        <NameField
          label={t("sidebar.folderName")}
          placeholder={t("sidebar.folderName")}
          value=""
          onCancel={() => setMaking(false)}
          onName={(name) => {
            setMaking(false);
            create.mutate(name);
          }}
        />
      )}
      {folders.length > 0 && (
        <ul>
          {folders.map((folder) => (
            <FolderRow key={folder.id} folder={folder} />
          ))}
        </ul>
      )}
    </section>
  );
}

function FolderRow({ folder }: { folder: Folder }) {
  const t = useT();
  const [, navigate] = useLocation();
  const { rename, erase } = useFolderActions();
  const [open, setOpen] = useState(false);
  const [mode, setMode] = useState<"shown" | "naming" | "erasing">("shown");
  const panel = `folder-${folder.id}`;

  if (mode === "naming") {
    return (
      <li>
        <NameField
          label={t("sidebar.folderName")}
          value={folder.name}
          onCancel={() => setMode("shown")}
          onName={(name) => {
            setMode("shown");
            if (name !== folder.name) rename.mutate({ id: folder.id, name });
          }}
        />
      </li>
    );
  }
  return (
    <li>
      <div className="group flex items-center rounded-xl hover:bg-hover">
        <button
          type="button"
          aria-expanded={open}
          aria-controls={panel}
          onClick={() => setOpen(!open)}
          className="flex min-w-0 flex-1 items-center gap-2 rounded-xl py-2 ps-2.5 text-sm focus-visible:-outline-offset-2"
        >
          <ChevronRight
            size={15}
            className={cx("shrink-0 text-ink-faint transition-transform", open && "rotate-90")}
            aria-hidden
          />
          <span className="truncate">{folder.name}</span>
        </button>
        <Menu
          align="end"
          trigger={
            <IconButton
              label={t("sidebar.folderActions", { name: folder.name })}
              className="me-0.5 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 max-md:opacity-100 data-[state=open]:opacity-100 pointer-coarse:opacity-100"
            >
              <Ellipsis size={17} aria-hidden />
            </IconButton>
          }
        >
          <MenuItem
            icon={<SquarePen size={16} aria-hidden />}
            onSelect={() => {
              setDrawer(false);
              navigate(`/?folder=${folder.id}`);
            }}
          >
            {t("sidebar.newInFolder")}
          </MenuItem>
          <MenuItem
            icon={<Pencil size={16} aria-hidden />}
            onSelect={() => setTimeout(() => setMode("naming"))}
          >
            {t("sidebar.renameFolder")}
          </MenuItem>
          <MenuItem danger icon={<Trash2 size={16} aria-hidden />} onSelect={() => setMode("erasing")}>
            {t("sidebar.deleteFolder")}
          </MenuItem>
        </Menu>
      </div>
      {open && (
        <div id={panel} className="ms-4 border-s ps-1">
          <ConversationList
            query={{ archived: false, folder_id: folder.id }}
            byDate={false}
            empty={t("sidebar.emptyFolder")}
          />
        </div>
      )}
      <ConfirmDialog
        open={mode === "erasing"}
        onOpenChange={(shown) => !shown && setMode("shown")}
        title={t("sidebar.deleteFolderTitle", { name: folder.name })}
        text={t("sidebar.deleteFolderText")}
        action={t("common.delete")}
        danger
        busy={erase.isPending}
        onConfirm={() => erase.mutate(folder.id)}
      />
    </li>
  );
}
