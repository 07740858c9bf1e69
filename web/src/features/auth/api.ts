import { api } from "@/lib/api/client";
import type { Me } from "@/lib/api/types";

export interface SignUpAsk {
  name: string;
  email: string;
  password: string;
  invite?: string;
}

export const signIn = (ask: { email: string; password: string }) => api.post<Me>("/api/auth/sign-in", ask);
export const signUp = (ask: SignUpAsk) => api.post<Me>("/api/auth/sign-up", ask);
export const resetPassword = (ask: { token: string; password: string }) =>
  api.post<undefined>("/api/auth/reset", ask);
