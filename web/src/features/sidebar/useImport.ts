import { useQueryClient } from "@tanstack/react-query";
import { postImport } from "@/features/sidebar/api";
import { toast } from "@/components/ui/Toast";
import { explain } from "@/lib/errors";
import { t } from "@/lib/i18n";

/** Take conversations in from a file of ours, of ChatGPT's export or of Open WebUI's. */
export function useImport() {
  const client = useQueryClient();
  return async (file: File) => {
    toast({ title: t("sidebar.importRunning", { name: file.name }) });
    try {
      const report = await postImport(file);
      const skipped = report.num_skipped > 0 ? t("sidebar.importSkipped", { count: report.num_skipped }) : "";
      const why = report.problems[0]?.reason ?? "";
      toast({
        title: t("sidebar.importDone", { count: report.num_imported }),
        text: [skipped, why].filter(Boolean).join(": "),
        durationMs: 9000,
      });
      await client.invalidateQueries({ queryKey: ["conversations"] });
    } catch (error) {
      const { title, hint } = explain(error);
      toast({ title: t("sidebar.importFailed"), text: [title, hint].filter(Boolean).join(" "), look: "bad" });
    }
  };
}
