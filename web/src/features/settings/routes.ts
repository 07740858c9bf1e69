import type { RouteDefinition } from "@/lib/routing";

export const routes: RouteDefinition[] = [
  { path: "/settings/*?", access: "signed-in", frame: "shell", load: () => import("./SettingsPage") },
];
