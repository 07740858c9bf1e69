import { useQuery } from "@tanstack/react-query";
import { MessageSquare, Search } from "lucide-react";
import { useDeferredValue, useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { useLocation } from "wouter";
import { search } from "@/features/sidebar/api";
import { openLayer } from "@/features/sidebar/ui";
import { useConversations } from "@/features/sidebar/useConversations";
import { Dialog } from "@/components/ui/Dialog";
import { Spinner } from "@/components/ui/Spinner";
import { explain } from "@/lib/errors";
import { formatAgo, useT } from "@/lib/i18n";
import type { SearchHit } from "@/lib/api/types";

/** Search in every conversation, by keyboard alone if one likes. */
export function SearchDialog() {
  const t = useT();
  const [, navigate] = useLocation();
  const [typed, setTyped] = useState("");
  const [active, setActive] = useState(0);
  const list = useId();
  const query = useSettled(typed.trim());
  const found = useQuery({
    queryKey: ["search", query],
    queryFn: ({ signal }) => search(query, null, { signal }),
    enabled: query !== "",
    placeholderData: (before) => before,
    staleTime: 5000,
  });
  const recent = useConversations({ archived: false, folder_id: null }).data?.pages[0]?.items;
  const hits = useMemo<SearchHit[]>(() => {
    if (query !== "") return found.data?.items ?? [];
    return (recent ?? []).slice(0, 12).map((one) => ({
      conversation_id: one.id,
      title: one.title,
      message_id: null,
      snippet: [],
      at: one.updated_at,
    }));
  }, [query, found.data, recent]);
  const shown = useDeferredValue(hits);
  const at = Math.min(active, Math.max(0, shown.length - 1));

  const go = (hit: SearchHit | undefined) => {
    if (hit === undefined) return;
    openLayer(null);
    navigate(`/c/${hit.conversation_id}${hit.message_id === null ? "" : `?message=${hit.message_id}`}`);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setActive(Math.min(at + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setActive(Math.max(at - 1, 0));
    else if (event.key === "Enter" && !event.nativeEvent.isComposing) go(shown[at]);
    else return;
    event.preventDefault();
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && openLayer(null)}
      title={t("sidebar.searchDialog.title")}
      titleHidden
      width="lg"
    >
      <div className="sticky top-0 flex items-center gap-3 border-b bg-raised px-4">
        <Search size={18} className="shrink-0 text-ink-faint" aria-hidden />
        <input
          role="combobox"
          aria-expanded
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={shown.length > 0 ? `${list}-${at}` : undefined}
          aria-label={t("sidebar.searchDialog.placeholder")}
          placeholder={t("sidebar.searchDialog.placeholder")}
          value={typed}
          maxLength={500}
          onChange={(event) => {
            setTyped(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
          className="h-14 min-w-0 flex-1 bg-transparent outline-none placeholder:text-ink-faint"
        />
        {found.isFetching && <Spinner className="size-4 text-ink-faint" />}
      </div>
      <p role="status" className="sr-only">
        {query !== "" && !found.isFetching && t("sidebar.searchDialog.count", { count: shown.length })}
      </p>
      {query === "" && (
        <p className="px-5 pt-3 text-xs font-medium text-ink-faint">{t("sidebar.searchDialog.recent")}</p>
      )}
      <ul id={list} role="listbox" aria-label={t("sidebar.searchDialog.title")} className="min-h-24 p-2">
        {shown.map((hit, index) => (
          <Hit
            key={`${hit.conversation_id}/${hit.message_id}`}
            id={`${list}-${index}`}
            hit={hit}
            active={index === at}
            onPoint={() => setActive(index)}
            onChoose={() => go(hit)}
          />
        ))}
      </ul>
      {query !== "" && found.isSuccess && !found.isFetching && shown.length === 0 && (
        <div className="px-5 pb-8 text-center text-sm text-ink-soft">
          <p className="font-medium">{t("sidebar.searchDialog.none", { query })}</p>
          <p className="text-ink-faint">{t("sidebar.searchDialog.hint")}</p>
        </div>
      )}
      {found.isError && (
        <p className="px-5 pb-8 text-center text-sm text-bad">{explain(found.error).title}</p>
      )}
    </Dialog>
  );
}

interface HitProps {
  id: string;
  hit: SearchHit;
  active: boolean;
  onPoint: () => void;
  onChoose: () => void;
}

function Hit({ id, hit, active, onPoint, onChoose }: HitProps) {
  const t = useT();
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (active) row.current?.scrollIntoView({ block: "nearest" });
  }, [active]);
  return (
    // Keys go through the field above (aria-activedescendant); the row only takes the pointer.
    <li
      ref={row}
      id={id}
      role="option"
      aria-selected={active}
      onMouseMove={onPoint}
      onClick={onChoose}
      className="flex cursor-pointer items-start gap-3 rounded-xl px-3 py-2.5 aria-selected:bg-hover"
    >
      <MessageSquare size={16} className="mt-1 shrink-0 text-ink-faint" aria-hidden />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-medium">{hit.title || t("chat.untitled")}</span>
        {hit.snippet.length > 0 && (
          <span className="line-clamp-2 text-sm text-ink-soft">
            {hit.snippet.map((piece, at) =>
              piece.hit ? (
                <mark key={at} className="rounded-sm bg-ember-soft font-medium text-ink">
                  {piece.text}
                </mark>
              ) : (
                <span key={at}>{piece.text}</span>
              ),
            )}
          </span>
        )}
      </span>
      <time dateTime={hit.at} className="shrink-0 pt-0.5 text-xs text-ink-faint">
        {formatAgo(hit.at)}
      </time>
    </li>
  );
}

/** `value` once it has stood still for a moment. */
function useSettled(value: string, ms = 140): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
