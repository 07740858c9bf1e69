import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { share, useSidebarUi } from "@/features/sidebar/ui";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { TextField } from "@/components/ui/TextField";
import { toast } from "@/components/ui/Toast";
import { useCopy } from "@/lib/clipboard";
import { shareConversation, unshareConversation } from "@/lib/conversations/api";
import { upsert } from "@/lib/conversations/cache";
import { explain } from "@/lib/errors";
import { formatDateTime, useT } from "@/lib/i18n";
import type { ConversationView } from "@/lib/api/types";

/** Make, copy, renew or revoke the link to a copy of a conversation. */
export function ShareDialog() {
  const conversation = useSidebarUi((state) => state.sharing);
  return conversation === null ? null : <Sharing key={conversation.id} conversation={conversation} />;
}

function Sharing({ conversation }: { conversation: ConversationView }) {
  const t = useT();
  const client = useQueryClient();
  const [slug, setSlug] = useState(conversation.share_slug);
  const [since, setSince] = useState<string | null>(null);
  const [copied, copy] = useCopy();
  const complain = (error: unknown) =>
    toast({ title: explain(error).title, text: explain(error).hint, look: "bad" });

  const make = useMutation({
    mutationFn: () => shareConversation(conversation.id),
    onSuccess: (made) => {
      setSlug(made.slug);
      setSince(made.created_at);
      upsert(client, { ...conversation, share_slug: made.slug });
    },
    onError: complain,
  });
  const revoke = useMutation({
    mutationFn: () => unshareConversation(conversation.id),
    onSuccess: () => {
      setSlug(null);
      upsert(client, { ...conversation, share_slug: null });
      toast({ title: t("sidebar.shareDialog.revoked") });
    },
    onError: complain,
  });

  const link = slug === null ? "" : `${location.origin}/shared/${slug}`;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && share(null)}
      title={t("sidebar.shareDialog.title")}
      description={t("sidebar.shareDialog.text")}
      footer={
        slug === null ? (
          <Button look="primary" busy={make.isPending} onClick={() => make.mutate()}>
            {t("sidebar.shareDialog.create")}
          </Button>
        ) : (
          <>
            <Button look="danger" className="me-auto" busy={revoke.isPending} onClick={() => revoke.mutate()}>
              {t("sidebar.shareDialog.revoke")}
            </Button>
            <Button busy={make.isPending} onClick={() => make.mutate()}>
              {t("sidebar.shareDialog.update")}
            </Button>
            <Button look="primary" onClick={() => void copy(link)}>
              {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
              {copied ? t("common.copied") : t("sidebar.shareDialog.copy")}
            </Button>
          </>
        )
      }
    >
      {slug !== null && (
        <TextField
          label={t("sidebar.shareDialog.link")}
          readOnly
          value={link}
          onFocus={(event) => event.target.select()}
          {...(since === null
            ? {}
            : { hint: t("sidebar.shareDialog.since", { date: formatDateTime(since) }) })}
        />
      )}
    </Dialog>
  );
}
