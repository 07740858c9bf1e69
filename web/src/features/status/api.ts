import type { StatusView } from "@/lib/api/types";
import { api } from "@/lib/api/client";

export const getStatus = () => api.get<StatusView>("/api/status");
