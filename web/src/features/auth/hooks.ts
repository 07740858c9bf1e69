import { useMutation, useQueryClient } from "@tanstack/react-query";
import { resetPassword, signIn, signUp } from "@/features/auth/api";
import { bootstrapKey, setMe } from "@/lib/session";
import { applyTheme } from "@/lib/theme";
import type { Me } from "@/lib/api/types";

/** Put a person in place: everything read before belonged to nobody. */
function useArrive() {
  const client = useQueryClient();
  return (me: Me) => {
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== bootstrapKey[0] });
    applyTheme(me.preferences.theme);
    setMe(client, me);
  };
}

export function useSignIn() {
  return useMutation({ mutationFn: signIn, onSuccess: useArrive() });
}

export function useSignUp() {
  return useMutation({ mutationFn: signUp, onSuccess: useArrive() });
}

export function useResetPassword() {
  return useMutation({ mutationFn: resetPassword });
}
