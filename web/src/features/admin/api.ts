import { api } from "@/lib/api/client";
import type { Page, Role, SignUpMode } from "@/lib/api/types";
import type {
  EngineRow,
  Invite,
  LibraryModel,
  Live,
  NewEngine,
  Person,
  PersonChange,
  SignUpPolicy,
} from "@/features/admin/types";

export const getLive = () => api.get<Live>("/api/admin/live");

export const getPeople = (q: string, cursor: string | null) =>
  api.get<Page<Person>>("/api/admin/users", { query: { q: q === "" ? null : q, cursor } });
export const makePerson = (ask: { email: string; name: string; role: Role }) =>
  api.post<{ user: Person; reset_link: string }>("/api/admin/users", ask);
export const changePerson = (id: string, change: PersonChange) =>
  api.patch<Person>(`/api/admin/users/${id}`, change);
export const deletePerson = (id: string) => api.delete(`/api/admin/users/${id}`);
export const makeResetLink = (id: string) =>
  api.post<{ link: string; expires_at: string }>(`/api/admin/users/${id}/reset-link`);

export const getInvites = () => api.get<Invite[]>("/api/admin/invites");
export const makeInvite = (ask: { email?: string; role: Role }) =>
  api.post<Invite & { link: string }>("/api/admin/invites", ask);
export const withdrawInvite = (id: string) => api.delete(`/api/admin/invites/${id}`);

export const getSignUpMode = () => api.get<SignUpPolicy>("/api/admin/sign-up-mode");
export const setSignUpMode = (ask: { mode: SignUpMode; reason: string }) =>
  api.put<SignUpPolicy>("/api/admin/sign-up-mode", ask);

export const getEngines = () => api.get<EngineRow[]>("/api/admin/engines");
export const addEngine = (ask: NewEngine) => api.post<{ id: string }>("/api/admin/engines", ask);
export const enableEngine = (id: string, enabled: boolean) =>
  api.patch<undefined>(`/api/admin/engines/${id}`, { enabled });
export const removeEngine = (id: string) => api.delete(`/api/admin/engines/${id}`);

export const getLibrary = () => api.get<LibraryModel[]>("/api/admin/library");
export const pullModel = (name: string) => api.post<undefined>(`/api/admin/library/${name}/pull`);
export const activateModel = (name: string) => api.post<undefined>(`/api/admin/library/${name}/use`);
