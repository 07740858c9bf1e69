import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useParams } from "wouter";
import { getShared } from "@/features/shared/api";
import { PlainText } from "@/components/chat/Markdown";
import { MessageParts } from "@/components/chat/MessageParts";
import { EmptyState } from "@/components/ui/EmptyState";
import { Mark } from "@/components/ui/Mark";
import { Spinner } from "@/components/ui/Spinner";
import { ApiError } from "@/lib/api/client";
import { textOf, type Message } from "@/lib/conversation/types";
import { explain } from "@/lib/errors";
import { formatDate, useT } from "@/lib/i18n";

/** A conversation that somebody shared, to read. */
export default function SharedPage() {
  const t = useT();
  const { slug = "" } = useParams();
  const { data, error, isPending } = useQuery({ queryKey: ["shared", slug], queryFn: () => getShared(slug) });
  const title = data?.title || t("chat.untitled");

  useEffect(() => {
    if (data === undefined) return;
    document.title = `${title} · ${t("common.appName")}`;
  }, [data, title, t]);

  return (
    <div className="flex min-h-dvh flex-col">
      <header className="sticky top-0 z-10 flex h-14 items-center gap-3 border-b bg-canvas/95 px-4">
        <Link href="/" className="flex items-center gap-2 rounded-lg">
          <Mark className="size-6 text-ember" />
          <span className="font-display text-xl tracking-tight">{t("common.appName")}</span>
        </Link>
        <span className="ms-auto rounded-full border px-3 py-1 text-xs text-ink-soft">
          {t("chat.shared.badge")}
        </span>
      </header>
      <main id="main" className="mx-auto w-full max-w-[47rem] flex-1 px-4 pb-16 sm:px-6">
        {isPending && <Spinner className="mx-auto mt-24 size-5 text-ink-faint" />}
        {error !== null && (
          <EmptyState
            title={
              error instanceof ApiError && error.status === 404 ? t("chat.shared.gone") : explain(error).title
            }
            text={t("chat.shared.goneText")}
          />
        )}
        {data !== undefined && (
          <>
            <h1 className="pt-10 font-display text-3xl leading-tight tracking-tight text-balance">{title}</h1>
            <p className="mt-2 border-b pb-6 text-sm text-ink-faint">
              {t("chat.shared.sharedOn", { date: formatDate(data.created_at) })} · {t("chat.shared.readOnly")}
            </p>
            {data.messages.map((message) => (
              <SharedMessage key={message.id} message={message} />
            ))}
            <p className="mt-12 border-t pt-6 text-center">
              <Link href="/" className="font-medium text-ember underline underline-offset-4">
                {t("chat.shared.start")}
              </Link>
            </p>
          </>
        )}
      </main>
    </div>
  );
}

function SharedMessage({ message }: { message: Message }) {
  const t = useT();
  if (message.author.role === "user") {
    return (
      <article aria-label={t("chat.you")} className="flex justify-end pt-6">
        <div className="max-w-[85%] rounded-bubble rounded-br-md bg-sunken px-4 py-2.5 dark:bg-raised">
          <PlainText text={textOf(message)} />
        </div>
      </article>
    );
  }
  if (message.author.role === "system" || message.author.role === "developer") return null;
  return (
    <article aria-label={t("chat.assistant")} className="pt-5">
      <MessageParts parts={message.parts ?? []} streaming={false} />
    </article>
  );
}
