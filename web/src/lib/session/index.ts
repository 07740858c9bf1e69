import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { getBootstrap, patchMe, postSignOut } from "@/lib/session/api";
import type { Bootstrap, Me, Preferences } from "@/lib/api/types";
import { forgetAll } from "@/lib/storage";

export const bootstrapKey = ["bootstrap"] as const;

/** What the page knows before anything else: is there an account yet, who is signed in, who may sign up. */
export function useBootstrap() {
  return useQuery({ queryKey: bootstrapKey, queryFn: getBootstrap, staleTime: Infinity, retry: 3 });
}

/** The signed-in person, or null. */
export function useMe(): Me | null {
  return useBootstrap().data?.user ?? null;
}

/** Put the person who just signed in (or changed) in place. */
export function setMe(client: QueryClient, me: Me): void {
  client.setQueryData<Bootstrap>(bootstrapKey, (old) => old && { ...old, user: me, setup_needed: false });
}

/** Forget the person here: everything cached, every draft. The page falls back to signing in. */
export function dropMe(client: QueryClient): void {
  client.setQueryData<Bootstrap>(bootstrapKey, (old) => old && { ...old, user: null });
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== bootstrapKey[0] });
  forgetAll("draft.");
}

/** Change the name or some preferences; the rest of the preferences stays. */
export function useUpdateMe() {
  const client = useQueryClient();
  const me = useMe();
  return useMutation({
    mutationFn: (change: { name?: string; preferences?: Partial<Preferences> }) =>
      patchMe({
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.preferences === undefined || me === null
          ? {}
          : { preferences: { ...me.preferences, ...change.preferences } }),
      }),
    onSuccess: (updated) => setMe(client, updated),
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({ mutationFn: postSignOut, onSuccess: () => dropMe(client) });
}
