import { Upload } from "lucide-react";
import { useRef } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { useImportChats } from "@/features/settings/hooks";
import type { ImportReport } from "@/lib/api/types";
import { formErrors } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

/** What came in, and what did not and why. */
function Report({ report }: { report: ImportReport }) {
  const t = useT();
  return (
    <div role="status" className="rounded-xl bg-sunken px-4 py-3 text-sm">
      <p className="font-medium">{t("settings.data.imported", { count: report.num_imported })}</p>
      {report.num_skipped > 0 && (
        <p className="mt-0.5 text-ink-soft">{t("settings.data.skipped", { count: report.num_skipped })}</p>
      )}
      {report.problems.length > 0 && (
        <details className="mt-2">
          <summary className="text-ink-soft">
            {t("settings.data.problems", { count: report.problems.length })}
          </summary>
          <ul className="mt-1.5 flex max-h-56 flex-col gap-1 overflow-y-auto scroll-quiet">
            {report.problems.map((problem, index) => (
              <li key={index}>
                <span className="font-medium">{problem.title || t("settings.data.untitled")}</span>{" "}
                <span className="text-ink-soft">{problem.reason}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

export function ImportChats() {
  const t = useT();
  const input = useRef<HTMLInputElement>(null);
  const bring = useImportChats();
  return (
    <Card
      title={t("settings.data.import")}
      text={t("settings.data.importText")}
      action={
        <Button busy={bring.isPending} onClick={() => input.current?.click()}>
          {!bring.isPending && <Upload size={16} aria-hidden />}
          {bring.isPending ? t("settings.data.importing") : t("settings.data.importAction")}
        </Button>
      }
    >
      <input
        ref={input}
        type="file"
        accept=".zip,.json,application/json,application/zip"
        className="hidden"
        aria-label={t("settings.data.importAction")}
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file !== undefined) bring.mutate(file);
        }}
      />
      {bring.data === undefined && bring.error === null ? (
        <div className="h-4" />
      ) : (
        <CardBody>
          <FormNote text={formErrors(bring.error, []).form} />
          {bring.data !== undefined && <Report report={bring.data} />}
        </CardBody>
      )}
    </Card>
  );
}
