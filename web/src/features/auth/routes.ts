import type { RouteDefinition } from "@/lib/routing";

export const routes: RouteDefinition[] = [
  { path: "/sign-in", access: "signed-out", frame: "bare", load: () => import("./SignInPage") },
  { path: "/sign-up", access: "signed-out", frame: "bare", load: () => import("./SignUpPage") },
  { path: "/reset", access: "public", frame: "bare", load: () => import("./ResetPage") },
];
