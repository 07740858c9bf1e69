import { ApiError } from "@/lib/api/client";
import { t } from "@/lib/i18n";
import { formatIn } from "@/lib/waits";

/** What to tell a person about a failure: the server's own words where it has some, and what to do next. */
export function explain(error: unknown): { title: string; hint: string } {
  if (!(error instanceof ApiError)) return { title: t("common.error.unknown"), hint: "" };
  if (error.message !== "") return { title: error.message, hint: error.hint || whenAgain(error) };
  if (error.code === "unreachable") return { title: t("common.error.unreachable"), hint: "" };
  if (error.code === "stream_cut") return { title: t("common.error.stream_cut"), hint: "" };
  const byStatus: Record<number, string> = {
    401: t("common.error.signedOut"),
    403: t("common.error.forbidden"),
    404: t("common.error.notFound"),
    429: t("common.error.tooMany"),
  };
  return { title: byStatus[error.status] ?? t("common.error.unknown"), hint: error.hint || whenAgain(error) };
}

/** When the same may work again, where the server said so. */
function whenAgain({ retryAfterS }: ApiError): string {
  return retryAfterS === null ? "" : t("common.error.tryAgainIn", { wait: formatIn(retryAfterS) });
}
