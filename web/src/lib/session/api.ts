import { api } from "@/lib/api/client";
import type { Bootstrap, Me, Preferences } from "@/lib/api/types";

export const getBootstrap = () => api.get<Bootstrap>("/api/bootstrap");
export const patchMe = (change: { name?: string; preferences?: Preferences }) =>
  api.patch<Me>("/api/me", change);
export const postSignOut = () => api.post<undefined>("/api/auth/sign-out");
