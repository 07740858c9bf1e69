import { api, send, type CallOptions } from "@/lib/api/client";
import type { ImportReport, Page, SearchHit } from "@/lib/api/types";

export const search = (q: string, cursor: string | null, options: CallOptions = {}) =>
  api.get<Page<SearchHit>>("/api/search", { ...options, query: { q, cursor } });

/** The file goes as it is: the server recognises whose it is. */
export async function postImport(file: File): Promise<ImportReport> {
  const response = await send("POST", "/api/import", {
    body: file,
    headers: { "content-type": file.type || "application/octet-stream" },
  });
  return (await response.json()) as ImportReport;
}
