import {
  Archive,
  ArchiveRestore,
  Download,
  Ellipsis,
  Folder as FolderIcon,
  Pencil,
  Pin,
  PinOff,
  Share2,
  Trash2,
} from "lucide-react";
import { useFolders, useConversationActions } from "@/features/sidebar/useConversations";
import { share } from "@/features/sidebar/ui";
import { IconButton } from "@/components/ui/IconButton";
import { Menu, MenuItem, MenuLine, MenuSub } from "@/components/ui/Menu";
import { address } from "@/lib/api/client";
import type { ConversationView, ExportFormat } from "@/lib/api/types";
import { useT } from "@/lib/i18n";

interface ConversationMenuProps {
  conversation: ConversationView;
  onRename: () => void;
  size?: "sm" | "md";
  className?: string;
}

function exportAs(id: string, format: ExportFormat): void {
  const link = document.createElement("a");
  link.href = address(`/api/conversations/${id}/export`, { format });
  link.download = "";
  link.click();
}

/** Everything that can be done with one conversation. */
export function ConversationMenu({ conversation, onRename, size = "sm", className }: ConversationMenuProps) {
  const t = useT();
  const { change, archive, erase } = useConversationActions();
  const { data: folders = [] } = useFolders();
  const { id, pinned, archived, folder_id: folderId } = conversation;
  const title = conversation.title || t("chat.untitled");
  return (
    <Menu
      align="end"
      trigger={
        <IconButton size={size} label={t("sidebar.actions", { title })} className={className ?? ""}>
          <Ellipsis size={17} aria-hidden />
        </IconButton>
      }
    >
      <MenuItem icon={<Share2 size={16} aria-hidden />} onSelect={() => share(conversation)}>
        {t("sidebar.share")}
      </MenuItem>
      <MenuItem icon={<Pencil size={16} aria-hidden />} onSelect={() => setTimeout(onRename)}>
        {t("sidebar.rename")}
      </MenuItem>
      <MenuItem
        icon={pinned ? <PinOff size={16} aria-hidden /> : <Pin size={16} aria-hidden />}
        onSelect={() => void change(conversation, { pinned: !pinned })}
      >
        {pinned ? t("sidebar.unpin") : t("sidebar.pin")}
      </MenuItem>
      <MenuSub icon={<FolderIcon size={16} aria-hidden />} label={t("sidebar.move")}>
        <MenuItem checked={folderId === null} onSelect={() => void change(conversation, { folder_id: null })}>
          {t("sidebar.noFolder")}
        </MenuItem>
        {folders.map((folder) => (
          <MenuItem
            key={folder.id}
            checked={folder.id === folderId}
            onSelect={() => void change(conversation, { folder_id: folder.id })}
          >
            {folder.name}
          </MenuItem>
        ))}
      </MenuSub>
      <MenuSub icon={<Download size={16} aria-hidden />} label={t("sidebar.export")}>
        <MenuItem onSelect={() => exportAs(id, "markdown")}>{t("sidebar.exportAs.markdown")}</MenuItem>
        <MenuItem onSelect={() => exportAs(id, "fireside")}>{t("sidebar.exportAs.json")}</MenuItem>
        <MenuItem onSelect={() => exportAs(id, "ipynb")}>{t("sidebar.exportAs.ipynb")}</MenuItem>
      </MenuSub>
      <MenuLine />
      <MenuItem
        icon={archived ? <ArchiveRestore size={16} aria-hidden /> : <Archive size={16} aria-hidden />}
        onSelect={() => void archive(conversation, !archived)}
      >
        {archived ? t("sidebar.unarchive") : t("sidebar.archive")}
      </MenuItem>
      <MenuItem danger icon={<Trash2 size={16} aria-hidden />} onSelect={() => void erase(conversation)}>
        {t("sidebar.delete")}
      </MenuItem>
    </Menu>
  );
}
