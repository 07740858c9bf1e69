import { lazy, type ComponentType } from "react";
import type { Access, RouteDefinition } from "@/lib/routing";

/** A page with its code behind `lazy`. */
export interface LazyRoute {
  path: string;
  access: Access;
  frame: "shell" | "bare";
  Page: ComponentType;
}

// Every feature with pages has a routes.ts; adding one there is all it takes.
const modules = import.meta.glob<{ routes: RouteDefinition[] }>("../features/*/routes.ts", { eager: true });

export const lazyRoutes: LazyRoute[] = Object.values(modules)
  .flatMap((module) => module.routes)
  .map(({ load, ...route }) => ({ ...route, Page: lazy(load) }));
