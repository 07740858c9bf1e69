import { api, send } from "@/lib/api/client";
import type { ImportReport, Models, OwnPlan } from "@/lib/api/types";
import type { ApiKey, LoginSession, NewKey, Scope } from "@/features/settings/types";

export const getKeys = () => api.get<ApiKey[]>("/api/me/keys");
export const makeKey = (ask: { name: string; scopes: Scope[] }) => api.post<NewKey>("/api/me/keys", ask);
export const revokeKey = (id: string) => api.delete(`/api/me/keys/${id}`);

export const getSessions = () => api.get<LoginSession[]>("/api/me/sessions");
export const endSession = (id: string) => api.delete(`/api/me/sessions/${id}`);
export const endOtherSessions = () => api.delete("/api/me/sessions");

export const changePassword = (ask: { current: string; new: string }) =>
  api.post<undefined>("/api/me/password", ask);
export const deleteAccount = (password: string) => api.delete("/api/me", { password });

export const getPlan = () => api.get<OwnPlan>("/api/me/plan");

export const getModels = () => api.get<Models>("/api/models");

/** Where everything of this person can be downloaded from. */
export const EXPORT_ADDRESS = "/api/me/export";

export async function importChats(file: File): Promise<ImportReport> {
  const type = file.name.endsWith(".zip") ? "application/zip" : "application/json";
  const init = { body: file, headers: { accept: "application/json", "content-type": type } };
  const response = await send("POST", "/api/import", init);
  return (await response.json()) as ImportReport;
}
