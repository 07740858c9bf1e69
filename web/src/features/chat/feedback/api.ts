import { api } from "@/lib/api/client";
import type { FeedbackIn } from "@/lib/api/types";

export const postFeedback = (event: FeedbackIn) => api.post<{ id: string }>("/api/feedback", event);
