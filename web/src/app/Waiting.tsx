import { useEffect, useState } from "react";
import { Button } from "@/components/ui/Button";
import { Mark } from "@/components/ui/Mark";
import { useT } from "@/lib/i18n";
import { useBootstrap } from "@/lib/session";

/** The page before it knows who is there. Says nothing for a moment: most waits are shorter. */
export function Waiting() {
  const t = useT();
  const { isError, refetch } = useBootstrap();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 500);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main className="grid min-h-dvh w-full place-items-center" aria-busy={!isError}>
      {isError ? (
        <div className="flex flex-col items-center gap-4 text-center">
          <p className="max-w-xs text-ink-soft">{t("common.error.unreachable")}</p>
          <Button onClick={() => void refetch()}>{t("common.retry")}</Button>
        </div>
      ) : (
        late && (
          <div role="status" className="animate-fade text-ember">
            <Mark className="size-10 animate-ember" />
            <span className="sr-only">{t("common.loading")}</span>
          </div>
        )
      )}
    </main>
  );
}
