import type { Bootstrap } from "@/lib/api/types";

/** Why somebody sees the sign-up page: to set the place up, by an invite, because all may, or in vain. */
export type SignUpCase = "first" | "invited" | "open" | "shut";

export function signUpCase(
  data: Pick<Bootstrap, "setup_needed" | "sign_up_mode">,
  invite: string | null,
): SignUpCase {
  if (data.setup_needed) return "first";
  if (invite !== null && data.sign_up_mode !== "closed") return "invited";
  return data.sign_up_mode === "open" ? "open" : "shut";
}
