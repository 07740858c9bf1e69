import type { Status } from "@/features/status/types";
import { api } from "@/lib/api/client";

export const getStatus = () => api.get<Status>("/api/status");
