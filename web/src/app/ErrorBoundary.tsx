import { Component, type ReactNode } from "react";
import { Button } from "@/components/ui/Button";
import { EmptyState } from "@/components/ui/EmptyState";
import { Mark } from "@/components/ui/Mark";
import { t } from "@/lib/i18n";

/** Catches what a component throws while drawing, says so plainly and offers the way out. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="grid min-h-dvh place-items-center">
        <EmptyState
          icon={<Mark className="size-9" />}
          title={t("common.crashTitle")}
          text={t("common.crashText")}
          action={
            <Button look="primary" onClick={() => location.reload()}>
              {t("common.reload")}
            </Button>
          }
        />
      </main>
    );
  }
}
