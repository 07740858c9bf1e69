import type { RouteDefinition } from "@/lib/routing";

export const routes: RouteDefinition[] = [
  {
    path: "/shared/:slug",
    access: "public",
    frame: "bare",
    load: () => import("@/features/shared/SharedPage"),
  },
];
