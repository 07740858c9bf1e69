import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { toast } from "@/components/ui/Toast";
import * as calls from "@/features/admin/api";
import { setPlan } from "@/features/admin/capacity/api";
import type { PersonChange } from "@/features/admin/types";
import { explain } from "@/lib/errors";
import { t } from "@/lib/i18n";
import { bootstrapKey } from "@/lib/session";

const keys = {
  live: ["admin", "live"],
  people: ["admin", "people"],
  invites: ["admin", "invites"],
  mode: ["admin", "mode"],
  engines: ["admin", "engines"],
  library: ["admin", "library"],
} as const;

/** How often figures that move by themselves are read again, in ms. */
const LIVE_MS = 5000;
const SOON_MS = 1000;

function sayFailure(error: unknown): void {
  const { title, hint } = explain(error);
  toast({ title, text: hint, look: "bad" });
}

/** A change after which some lists are read again; `done` is said when it worked. */
function useChange<A, R>(
  mutationFn: (ask: A) => Promise<R>,
  stale: readonly (readonly string[])[],
  options: { done?: () => string; quiet?: boolean } = {},
) {
  const client = useQueryClient();
  return useMutation<R, unknown, A>({
    mutationFn,
    onSuccess: () => {
      for (const queryKey of stale) void client.invalidateQueries({ queryKey });
      if (options.done !== undefined) toast({ title: options.done() });
    },
    ...(options.quiet === true ? {} : { onError: sayFailure }),
  });
}

export function useLive() {
  return useQuery({ queryKey: keys.live, queryFn: calls.getLive, refetchInterval: LIVE_MS, staleTime: 0 });
}

export function usePeople(q: string) {
  return useInfiniteQuery({
    queryKey: [...keys.people, q],
    queryFn: ({ pageParam }) => calls.getPeople(q, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}

export function useMakePerson() {
  return useChange(calls.makePerson, [keys.people], { quiet: true });
}

export function useChangePerson() {
  return useChange(
    ({ id, change }: { id: string; change: PersonChange }) => calls.changePerson(id, change),
    [keys.people],
    { done: () => t("admin.people.changed") },
  );
}

export function useSetPlan() {
  return useChange(
    ({ id, ...ask }: { id: string; plan: string | null; reason: string }) => setPlan(id, ask),
    [keys.people],
    { done: () => t("admin.people.planSet"), quiet: true },
  );
}

export function useDeletePerson() {
  return useChange(calls.deletePerson, [keys.people], { done: () => t("admin.people.deleted") });
}

export function useMakeResetLink() {
  return useChange(calls.makeResetLink, []);
}

export function useInvites() {
  return useQuery({ queryKey: keys.invites, queryFn: calls.getInvites });
}

export function useMakeInvite() {
  return useChange(calls.makeInvite, [keys.invites], { quiet: true });
}

export function useWithdrawInvite() {
  return useChange(calls.withdrawInvite, [keys.invites], { done: () => t("admin.people.withdrawn") });
}

export function useSignUpMode() {
  return useQuery({ queryKey: keys.mode, queryFn: calls.getSignUpMode });
}

export function useSetSignUpMode() {
  const client = useQueryClient();
  const set = (ask: Parameters<typeof calls.setSignUpMode>[0]) =>
    calls.setSignUpMode(ask).then((policy) => {
      client.setQueryData(keys.mode, policy);
      return policy;
    });
  return useChange(set, [bootstrapKey], { done: () => t("admin.people.modeSet") });
}

export function useEngines() {
  return useQuery({
    queryKey: keys.engines,
    queryFn: calls.getEngines,
    // An engine that was just added answers within a second or two: look again soon.
    refetchInterval: ({ state }) =>
      (state.data ?? []).some((engine) => engine.enabled && !engine.ok) ? SOON_MS : LIVE_MS,
    staleTime: 0,
  });
}

export function useAddEngine() {
  return useChange(calls.addEngine, [keys.engines, ["models"]], { quiet: true });
}

export function useEnableEngine() {
  return useChange(
    ({ id, enabled }: { id: string; enabled: boolean }) => calls.enableEngine(id, enabled),
    [keys.engines, ["models"]],
  );
}

export function useRemoveEngine() {
  return useChange(calls.removeEngine, [keys.engines, ["models"]], {
    done: () => t("admin.engines.removed"),
  });
}

/** The library; read often while something is on its way. */
export function useLibrary() {
  return useQuery({
    queryKey: keys.library,
    queryFn: calls.getLibrary,
    staleTime: 0,
    refetchInterval: ({ state }) =>
      (state.data ?? []).some((model) => model.state === "downloading") ? SOON_MS : LIVE_MS,
  });
}

export function usePullModel() {
  return useChange(calls.pullModel, [keys.library]);
}

export function useActivateModel() {
  return useChange(calls.activateModel, [keys.library, keys.engines, ["models"]], {
    done: () => t("admin.models.switching"),
  });
}
