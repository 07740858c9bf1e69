import { Suspense, type ReactNode } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { ChatPage } from "@/app/ChatPage";
import { Shell } from "@/app/Shell";
import { lazyRoutes, type LazyRoute } from "@/app/routes";
import { useAccountLook } from "@/app/useAccountLook";
import { Waiting } from "@/app/Waiting";
import { EmptyState } from "@/components/ui/EmptyState";
import { SidebarButton } from "@/features/sidebar/Sidebar";
import { useT } from "@/lib/i18n";
import type { Access } from "@/lib/routing";
import { useBootstrap } from "@/lib/session";

/** Lets through whom `access` allows and sends everyone else where they belong. */
function Guard({ access, children }: { access: Access; children: ReactNode }) {
  const [path] = useLocation();
  const { data } = useBootstrap();
  if (access === "public") return children;
  if (data === undefined) return <Waiting />;
  const me = data.user;
  if (access === "signed-out") return me === null ? children : <Redirect to={nextPath()} replace />;
  if (me === null) {
    const entry = data.setup_needed ? "/sign-up" : "/sign-in";
    const back = path === "/" ? "" : `?next=${encodeURIComponent(path)}`;
    return <Redirect to={entry + back} replace />;
  }
  if (access === "admin" && me.role !== "admin") return <NotFound />;
  return children;
}

/** Where to go after signing in: a path of this page, nothing else. */
function nextPath(): string {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
}

function Draw({ route }: { route: LazyRoute }) {
  const page = (
    <Suspense fallback={<Waiting />}>
      <route.Page />
    </Suspense>
  );
  return <Guard access={route.access}>{route.frame === "shell" ? <Beside>{page}</Beside> : page}</Guard>;
}

/** A page beside the sidebar, with the button that brings the sidebar back. */
function Beside({ children }: { children: ReactNode }) {
  return (
    <Shell>
      <div className="relative flex min-w-0 flex-1 flex-col">
        <div className="flex h-12 shrink-0 items-center px-2 md:absolute md:start-2 md:top-2 md:z-20 md:h-auto md:p-0">
          <SidebarButton />
        </div>
        {children}
      </div>
    </Shell>
  );
}

function NotFound() {
  const t = useT();
  return (
    <main className="grid min-h-dvh place-items-center">
      <EmptyState
        title={t("common.notFoundTitle")}
        text={t("common.notFoundText")}
        action={
          <a href="/" className="font-medium text-ember underline underline-offset-4">
            {t("common.goHome")}
          </a>
        }
      />
    </main>
  );
}

export function Routes() {
  const [path] = useLocation();
  useAccountLook();
  if (path === "/" || /^\/c\/[^/]+$/.test(path)) {
    // One element for both paths: sending the first message must not build the page anew.
    return (
      <Guard access="signed-in">
        <Shell>
          <ChatPage conversationId={path === "/" ? null : path.slice(3)} />
        </Shell>
      </Guard>
    );
  }
  return (
    <Switch>
      {lazyRoutes.map((route) => (
        <Route key={route.path} path={route.path}>
          <Draw route={route} />
        </Route>
      ))}
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}
