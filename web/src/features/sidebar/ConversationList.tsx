import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { ConversationRow } from "@/features/sidebar/ConversationRow";
import { useConversations } from "@/features/sidebar/useConversations";
import { Button } from "@/components/ui/Button";
import { Spinner } from "@/components/ui/Spinner";
import { grouped, type GroupName } from "@/lib/conversations/grouping";
import { formatDate, useT } from "@/lib/i18n";
import type { ListQuery } from "@/lib/conversations/api";
import type { ConversationView } from "@/lib/api/types";

interface ConversationListProps {
  query: ListQuery;
  /** Under headings by date, without what lies in folders. */
  byDate: boolean;
  empty: ReactNode;
}

/** Conversations, more of them as one scrolls. */
export function ConversationList({ query, byDate, empty }: ConversationListProps) {
  const t = useT();
  const { data, isPending, isError, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } =
    useConversations(query);
  const all = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const mark = end.current;
    if (mark === null || !hasNextPage) return;
    const watcher = new IntersectionObserver(([entry]) => entry?.isIntersecting && void fetchNextPage(), {
      rootMargin: "600px",
    });
    watcher.observe(mark);
    return () => watcher.disconnect();
  }, [hasNextPage, fetchNextPage, all.length]);

  if (isError) {
    return (
      <div className="flex flex-col items-start gap-2 px-3 py-2 text-sm text-ink-soft">
        {t("sidebar.failed")}
        <Button size="sm" onClick={() => void refetch()}>
          {t("common.retry")}
        </Button>
      </div>
    );
  }
  return (
    <>
      {byDate ? <ByDate conversations={all} /> : <Rows conversations={all} />}
      {!isPending && all.length === 0 && <p className="px-3 py-2 text-sm text-ink-faint">{empty}</p>}
      <div ref={end} className="h-px" aria-hidden />
      {(isPending || isFetchingNextPage) && <Spinner className="mx-auto my-3 size-4 text-ink-faint" />}
    </>
  );
}

function Rows({ conversations }: { conversations: readonly ConversationView[] }) {
  return (
    <ul>
      {conversations.map((one) => (
        <ConversationRow key={one.id} conversation={one} />
      ))}
    </ul>
  );
}

function ByDate({ conversations }: { conversations: readonly ConversationView[] }) {
  const t = useT();
  const groups = useMemo(
    () =>
      grouped(
        conversations.filter((one) => one.folder_id === null || one.pinned),
        new Date(),
      ),
    [conversations],
  );
  const heading = (name: GroupName) => {
    if (name === "pinned") return t("sidebar.pinned");
    if (name === "today") return t("sidebar.groups.today");
    if (name === "yesterday") return t("sidebar.groups.yesterday");
    if (name === "week") return t("sidebar.groups.week");
    if (name === "month") return t("sidebar.groups.month");
    return formatDate(`${name}-15T12:00:00Z`, { month: "long", year: "numeric" });
  };
  return groups.map((group) => (
    <section key={group.name} aria-label={heading(group.name)} className="pb-3">
      <h3 aria-hidden className="px-3 pt-2 pb-1 text-xs font-medium text-ink-faint">
        {heading(group.name)}
      </h3>
      <Rows conversations={group.items} />
    </section>
  ));
}
