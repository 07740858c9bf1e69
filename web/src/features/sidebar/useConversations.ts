import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { toast } from "@/components/ui/Toast";
import type { ConversationPatch, ConversationView } from "@/lib/api/types";
import * as calls from "@/lib/conversations/api";
import { foldersKey, listKey, remove, upsert } from "@/lib/conversations/cache";
import { explain } from "@/lib/errors";
import { t } from "@/lib/i18n";

/** A list of conversations, page by page. */
export function useConversations(query: calls.ListQuery, enabled = true) {
  return useInfiniteQuery({
    queryKey: listKey(query),
    queryFn: ({ pageParam }) => calls.listConversations(query, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
    enabled,
  });
}

export function useFolders() {
  return useQuery({ queryKey: foldersKey, queryFn: calls.listFolders, staleTime: Infinity });
}

function complain(error: unknown): void {
  const { title, hint } = explain(error);
  toast({ title: t("sidebar.changeFailed"), text: [title, hint].filter(Boolean).join(" "), look: "bad" });
}

/** What can be done with a conversation in a list. Changes show at once and are taken back when refused. */
export function useConversationActions() {
  const client = useQueryClient();
  const [path, navigate] = useLocation();
  const put = (conversation: ConversationView) => upsert(client, conversation);

  const change = async (conversation: ConversationView, patch: ConversationPatch) => {
    put({ ...conversation, ...patch } as ConversationView);
    try {
      put(await calls.patchConversation(conversation.id, patch));
      return true;
    } catch (error) {
      put(conversation);
      complain(error);
      return false;
    }
  };

  const archive = async (conversation: ConversationView, archived: boolean) => {
    if (!(await change(conversation, { archived })) || !archived) return;
    toast({
      title: t("sidebar.archivedToast"),
      action: {
        label: t("common.undo"),
        run: () => void change({ ...conversation, archived: true }, { archived: false }),
      },
    });
  };

  const restore = async (conversation: ConversationView) => {
    try {
      put(await calls.restoreConversation(conversation.id));
    } catch (error) {
      toast({ title: t("sidebar.restoreFailed"), text: explain(error).title, look: "bad" });
    }
  };

  const erase = async (conversation: ConversationView) => {
    remove(client, conversation.id);
    if (path === `/c/${conversation.id}`) navigate("/");
    try {
      await calls.deleteConversation(conversation.id);
      toast({
        title: t("sidebar.deleted"),
        action: { label: t("common.undo"), run: () => void restore(conversation) },
      });
    } catch (error) {
      put(conversation);
      complain(error);
    }
  };

  return { change, archive, erase };
}

/** Making, naming and deleting folders. */
export function useFolderActions() {
  const client = useQueryClient();
  const refresh = () => void client.invalidateQueries({ queryKey: foldersKey });
  const create = useMutation({ mutationFn: calls.createFolder, onSuccess: refresh, onError: complain });
  const rename = useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) => calls.renameFolder(id, name),
    onSuccess: refresh,
    onError: complain,
  });
  const erase = useMutation({
    mutationFn: calls.deleteFolder,
    onSuccess: () => {
      refresh();
      void client.invalidateQueries({ queryKey: ["conversations"] });
    },
    onError: complain,
  });
  return { create, rename, erase };
}
