import { useState } from "react";
import { useConversationActions } from "@/features/sidebar/useConversations";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { TextField } from "@/components/ui/TextField";
import { useT } from "@/lib/i18n";
import type { ConversationView } from "@/lib/api/types";

/** Rename a conversation where there is no list to do it in. */
export function RenameDialog({
  conversation,
  onClose,
}: {
  conversation: ConversationView;
  onClose: () => void;
}) {
  const t = useT();
  const { change } = useConversationActions();
  const [title, setTitle] = useState(conversation.title);
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title={t("sidebar.rename")} width="sm">
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (title.trim() === "") return;
          onClose();
          void change(conversation, { title: title.trim() });
        }}
      >
        <TextField
          label={t("sidebar.renameLabel")}
          value={title}
          maxLength={200}
          onChange={(event) => setTitle(event.target.value)}
        />
        <Button look="primary" type="submit" className="self-end" disabled={title.trim() === ""}>
          {t("common.save")}
        </Button>
      </form>
    </Dialog>
  );
}
