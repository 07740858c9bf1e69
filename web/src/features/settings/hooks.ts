import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import * as calls from "@/features/settings/api";
import { toast } from "@/components/ui/Toast";
import type { ApiKey, LoginSession } from "@/features/settings/types";
import type { Preferences } from "@/lib/api/types";
import { explain } from "@/lib/errors";
import { t } from "@/lib/i18n";
import { dropMe, useMe, useUpdateMe } from "@/lib/session";

const keysKey = ["settings", "keys"];
const sessionsKey = ["settings", "sessions"];

function sayFailure(error: unknown): void {
  const { title, hint } = explain(error);
  toast({ title, text: hint, look: "bad" });
}

/** The preferences and how to change some of them at once, with a word only when it failed. */
export function usePreferences() {
  const me = useMe();
  const update = useUpdateMe();
  const change = (preferences: Partial<Preferences>, done?: () => void) =>
    update.mutate({ preferences }, { onError: sayFailure, ...(done ? { onSuccess: done } : {}) });
  // What was just chosen shows at once; a failure brings the old value back.
  const chosen = update.isPending ? update.variables.preferences : undefined;
  return {
    preferences: me === null ? null : { ...me.preferences, ...chosen },
    change,
    busy: update.isPending,
  };
}

export function useRename() {
  const update = useUpdateMe();
  return {
    ...update,
    rename: (name: string) =>
      update.mutate({ name }, { onSuccess: () => toast({ title: t("settings.saved") }) }),
  };
}

export function useKeys() {
  return useQuery({ queryKey: keysKey, queryFn: calls.getKeys });
}

export function useMakeKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.makeKey,
    onSuccess: ({ info }) =>
      client.setQueryData<ApiKey[]>(keysKey, (keys = []) => [
        info,
        ...keys.filter((key) => key.id !== info.id),
      ]),
  });
}

export function useRevokeKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.revokeKey,
    onSuccess: (_, id) => {
      client.setQueryData<ApiKey[]>(keysKey, (keys = []) => keys.filter((key) => key.id !== id));
      toast({ title: t("settings.keys.revoked") });
    },
    onError: sayFailure,
  });
}

export function useSessions() {
  return useQuery({ queryKey: sessionsKey, queryFn: calls.getSessions, staleTime: 0 });
}

export function useEndSession() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string | null) => (id === null ? calls.endOtherSessions() : calls.endSession(id)),
    onSuccess: (_, id) => {
      client.setQueryData<LoginSession[]>(sessionsKey, (sessions = []) =>
        sessions.filter((session) => (id === null ? session.current : session.id !== id)),
      );
      toast({ title: t("settings.security.signedOut") });
    },
    onError: sayFailure,
  });
}

export function useChangePassword() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.changePassword,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: sessionsKey });
      toast({ title: t("settings.security.passwordSet") });
    },
  });
}

export function useDeleteAccount() {
  const client = useQueryClient();
  return useMutation({ mutationFn: calls.deleteAccount, onSuccess: () => dropMe(client) });
}

export function useImportChats() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.importChats,
    onSuccess: () =>
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "bootstrap" }),
  });
}

export function useModels() {
  return useQuery({ queryKey: ["models"], queryFn: calls.getModels });
}
