import { api } from "@/lib/api/client";
import type { ConversationPatch, ConversationView, Folder, Page, Share } from "@/lib/api/types";

export interface ListQuery {
  archived: boolean;
  folder_id: string | null;
}

export const listConversations = (query: ListQuery, cursor: string | null) =>
  api.get<Page<ConversationView>>("/api/conversations", { query: { ...query, cursor } });
export const patchConversation = (id: string, change: ConversationPatch) =>
  api.patch<ConversationView>(`/api/conversations/${id}`, change);
export const deleteConversation = (id: string) => api.delete(`/api/conversations/${id}`);
export const restoreConversation = (id: string) =>
  api.post<ConversationView>(`/api/conversations/${id}/restore`);
export const shareConversation = (id: string) => api.post<Share>(`/api/conversations/${id}/share`);
export const unshareConversation = (id: string) => api.delete(`/api/conversations/${id}/share`);

export const listFolders = () => api.get<Folder[]>("/api/folders");
export const createFolder = (name: string) => api.post<Folder>("/api/folders", { name });
export const renameFolder = (id: string, name: string) => api.patch<Folder>(`/api/folders/${id}`, { name });
export const deleteFolder = (id: string) => api.delete(`/api/folders/${id}`);
