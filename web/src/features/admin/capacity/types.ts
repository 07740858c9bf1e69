import type { Band } from "@/lib/api/types";

/** Classes of work, the most urgent first. */
export const BANDS: readonly Band[] = ["paid", "free", "later", "background", "training"];
