import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Button } from "@/components/ui/Button";
import { Spinner } from "@/components/ui/Spinner";
import { explain } from "@/lib/errors";
import { useT } from "@/lib/i18n";

/** Draws what a query read; before that a quiet wait, and a plain word with a way on if it failed. */
export function Loaded<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}) {
  const t = useT();
  if (query.data !== undefined) return children(query.data);
  if (query.isError) {
    const { title, hint } = explain(query.error);
    return (
      <div role="alert" className="flex flex-col items-start gap-3 px-5 py-6 text-sm">
        <p>
          {title} <span className="text-ink-soft">{hint}</span>
        </p>
        <Button size="sm" onClick={() => void query.refetch()}>
          {t("common.retry")}
        </Button>
      </div>
    );
  }
  return (
    <div role="status" className="flex justify-center py-10 text-ink-faint">
      <Spinner />
      <span className="sr-only">{t("common.loading")}</span>
    </div>
  );
}
