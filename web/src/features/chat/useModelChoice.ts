import { useState } from "react";
import { attempt } from "@/features/chat/actions";
import { patchConversation } from "@/features/chat/api";
import type { ThreadSession } from "@/features/chat/state/session";
import type { ThreadState } from "@/features/chat/state/state";
import { useModels } from "@/lib/models";
import { useMe } from "@/lib/session";

/**
 * The model that was chosen here: in this conversation, for the next one, or as a habit. Null when
 * nobody chose, so that the server's default answers, which gets better by itself.
 */
export function useModelChoice(
  session: ThreadSession,
  state: ThreadState,
): [string | null, (name: string) => void] {
  const me = useMe();
  const { data: models } = useModels();
  const [picked, setPicked] = useState<string | null>(null);
  const wanted = picked ?? state.conversation?.model ?? me?.preferences.default_model ?? null;
  const known = models === undefined || models.models.some((one) => one.name === wanted);
  const pick = (name: string) => {
    setPicked(name);
    const { id } = session;
    if (id !== null) attempt(() => patchConversation(id, { model: name }));
  };
  return [known ? wanted : null, pick];
}
