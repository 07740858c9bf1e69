import type { ComponentType } from "react";

/** Who may see a page: everyone, people who are signed out, signed in, or administrators. */
export type Access = "public" | "signed-out" | "signed-in" | "admin";

/**
 * A page that a feature adds to the application: `src/features/<name>/routes.ts` exports
 * `routes: RouteDefinition[]` and src/app finds it there. `path` is a wouter pattern
 * (`/settings/*?` takes everything below). `frame: "shell"` draws it beside the sidebar,
 * `"bare"` alone on the page. `load` keeps the page's code out of the first load.
 */
export interface RouteDefinition {
  path: string;
  access: Access;
  frame: "shell" | "bare";
  load: () => Promise<{ default: ComponentType }>;
}
