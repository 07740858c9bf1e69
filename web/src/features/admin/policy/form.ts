import { createContext, use } from "react";
import type { Draft } from "@/features/admin/policy/draft";
import type { Policy } from "@/lib/api/types";

/** What the fields of the policy form share. */
export interface PolicyForm {
  /** The policy in force, which the draft stands on. */
  policy: Policy;
  draft: Draft;
  text: (path: string) => string;
  type: (path: string, text: string) => void;
  change: (draft: Draft) => void;
  /** What is wrong at a field or group, in words. */
  wrongAt: (path: string) => string | undefined;
}

export const PolicyFormContext = createContext<PolicyForm | null>(null);

export function usePolicyForm(): PolicyForm {
  const form = use(PolicyFormContext);
  if (form === null) throw new Error("PolicyFormContext is missing");
  return form;
}
