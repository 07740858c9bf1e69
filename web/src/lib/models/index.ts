import { useQuery } from "@tanstack/react-query";
import { api } from "@/lib/api/client";
import type { Models } from "@/lib/api/types";

export const modelsKey = ["models"] as const;

const getModels = () => api.get<Models>("/api/models");

/** Which models there are, and which are on their way. Asked again while one is. */
export function useModels() {
  return useQuery({
    queryKey: modelsKey,
    queryFn: getModels,
    refetchInterval: ({ state }) => {
      const models = state.data;
      const waiting =
        models !== undefined && (models.preparing.length > 0 || !models.models.some((one) => one.ready));
      return waiting ? 2000 : false;
    },
  });
}

/** What people call a model; its name where it has no title. */
export function titleOf(models: Models | undefined, name: string | null | undefined): string {
  if (!name) return "";
  const found = models?.models.find((one) => one.name === name);
  return found?.title || name;
}
