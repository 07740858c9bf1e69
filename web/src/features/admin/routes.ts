import type { RouteDefinition } from "@/lib/routing";

export const routes: RouteDefinition[] = [
  { path: "/admin/*?", access: "admin", frame: "shell", load: () => import("./AdminPage") },
];
