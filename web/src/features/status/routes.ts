import type { RouteDefinition } from "@/lib/routing";

export const routes: RouteDefinition[] = [
  { path: "/status", access: "public", frame: "bare", load: () => import("./StatusPage") },
];
