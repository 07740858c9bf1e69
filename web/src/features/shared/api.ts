import { api } from "@/lib/api/client";
import type { SharedConversation } from "@/lib/api/types";

export const getShared = (slug: string) =>
  api.get<SharedConversation>(`/api/shared/${encodeURIComponent(slug)}`);
