import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { toast } from "@/components/ui/Toast";
import * as calls from "@/features/admin/capacity/api";
import type { IncidentState, UsageBy } from "@/lib/api/types";
import { t } from "@/lib/i18n";

export const capacityKeys = {
  live: ["admin", "capacity"],
  usage: ["admin", "usage"],
  forecast: ["admin", "forecast"],
  policy: ["admin", "policy"],
  versions: ["admin", "policy-versions"],
  incidents: ["admin", "incidents"],
} as const;

/** How often the gate's figures are read, in ms. */
const LIVE_MS = 3000;
const SLOW_MS = 60_000;

export function useCapacity() {
  return useQuery({
    queryKey: capacityKeys.live,
    queryFn: calls.getCapacity,
    refetchInterval: LIVE_MS,
    staleTime: 0,
  });
}

export function useUsage(by: UsageBy, days: number) {
  return useQuery({
    queryKey: [...capacityKeys.usage, by, days],
    queryFn: () => calls.getUsage(by, days),
    refetchInterval: SLOW_MS,
    placeholderData: keepPreviousData,
  });
}

export function useForecast() {
  return useQuery({
    queryKey: capacityKeys.forecast,
    queryFn: calls.getForecast,
    refetchInterval: 5 * SLOW_MS,
  });
}

export function usePolicy() {
  return useQuery({ queryKey: capacityKeys.policy, queryFn: calls.getPolicy, staleTime: 0 });
}

export function usePolicyVersions() {
  return useQuery({ queryKey: capacityKeys.versions, queryFn: calls.getPolicyVersions, staleTime: 0 });
}

export function useSavePolicy() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.savePolicy,
    onSuccess: (saved) => {
      client.setQueryData(capacityKeys.policy, saved);
      void client.invalidateQueries({ queryKey: capacityKeys.versions });
      toast({ title: t("admin.policy.saved", { version: saved.version }) });
    },
  });
}

/** The contents of an earlier version. */
export function useEarlierPolicy() {
  return useMutation({ mutationFn: calls.getPolicyVersion });
}

export function useIncidents() {
  return useQuery({ queryKey: capacityKeys.incidents, queryFn: calls.getIncidents, staleTime: 0 });
}

export function useOpenIncident() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: calls.openIncident,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: capacityKeys.incidents });
      toast({ title: t("admin.incidents.opened") });
    },
  });
}

export function useUpdateIncident() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...ask }: { id: string; text: string; state: IncidentState }) =>
      calls.updateIncident(id, ask),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: capacityKeys.incidents });
      toast({ title: t("admin.incidents.updated") });
    },
  });
}
