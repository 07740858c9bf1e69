import type { Forecast } from "@/lib/api/types";
import type {
  CapacityView,
  Incident,
  IncidentState,
  PolicyChange,
  PolicyView,
  UsageBy,
  UsageShare,
} from "@/lib/api/types";
import type { Policy } from "@/lib/api/types";
import { api } from "@/lib/api/client";

export const getCapacity = () => api.get<CapacityView>("/api/admin/capacity");
export const getUsage = (by: UsageBy, days: number) =>
  api.get<{ rows: UsageShare[] }>("/api/admin/capacity/usage", { query: { by, days } });
export const getForecast = () => api.get<Forecast>("/api/admin/capacity/forecast");

export const getPolicy = () => api.get<PolicyView>("/api/admin/policy");
export const getPolicyVersions = () => api.get<{ versions: PolicyChange[] }>("/api/admin/policy/versions");
export const getPolicyVersion = (version: number) =>
  api.get<PolicyView>(`/api/admin/policy/versions/${version}`);
export const savePolicy = (ask: { policy: Policy; reason: string; based_on: number }) =>
  api.put<PolicyView>("/api/admin/policy", ask);

export const setPlan = (userId: string, ask: { plan: string | null; reason: string }) =>
  api.put<unknown>(`/api/admin/users/${userId}/plan`, ask);

/** Incidents are public: the status page's own figures. */
export const getIncidents = () => api.get<{ incidents: Incident[] }>("/api/status", { fresh: true });
export const openIncident = (ask: { title: string; text: string }) =>
  api.post<unknown>("/api/admin/incidents", ask);
export const updateIncident = (id: string, ask: { text: string; state: IncidentState }) =>
  api.post<unknown>(`/api/admin/incidents/${id}/updates`, ask);
