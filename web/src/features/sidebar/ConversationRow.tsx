import { memo, useState } from "react";
import { Link, useLocation } from "wouter";
import { ConversationMenu } from "@/features/sidebar/ConversationMenu";
import { NameField } from "@/features/sidebar/NameField";
import { setDrawer } from "@/features/sidebar/ui";
import { useConversationActions } from "@/features/sidebar/useConversations";
import { useIsWaiting } from "@/lib/conversations/waiting";
import { cx } from "@/lib/cx";
import { useT } from "@/lib/i18n";
import type { ConversationView } from "@/lib/api/types";

/** One conversation in a list: its title, whether a reply waits or is being written, its menu. */
export const ConversationRow = memo(function ConversationRow({
  conversation,
}: {
  conversation: ConversationView;
}) {
  const t = useT();
  const [path] = useLocation();
  const [naming, setNaming] = useState(false);
  const { change } = useConversationActions();
  const waiting = useIsWaiting(conversation.id);
  const current = path === `/c/${conversation.id}`;
  const title = conversation.title || t("chat.untitled");

  if (naming) {
    return (
      <li>
        <NameField
          label={t("sidebar.renameLabel")}
          value={conversation.title}
          onCancel={() => setNaming(false)}
          onName={(name) => {
            setNaming(false);
            if (name !== conversation.title) void change(conversation, { title: name });
          }}
        />
      </li>
    );
  }
  return (
    <li
      className={cx(
        "group relative flex items-center rounded-xl [contain-intrinsic-size:auto_2.25rem] [content-visibility:auto] hover:bg-hover",
        current && "bg-hover",
      )}
    >
      <Link
        href={`/c/${conversation.id}`}
        aria-current={current ? "page" : undefined}
        onClick={() => setDrawer(false)}
        onDoubleClick={() => setNaming(true)}
        title={title}
        className="min-w-0 flex-1 truncate rounded-xl py-2 ps-3 pe-2 text-sm focus-visible:-outline-offset-2 pointer-coarse:py-2.5"
        dir="auto"
      >
        {title}
      </Link>
      {conversation.running.length > 0 && (
        <span
          className={cx(
            "me-3 size-2 shrink-0 rounded-full group-hover:hidden",
            waiting ? "border-[1.5px] border-ember" : "animate-ember bg-ember",
          )}
        >
          <span className="sr-only">{t(waiting ? "sidebar.waiting" : "sidebar.writing")}</span>
        </span>
      )}
      <ConversationMenu
        conversation={conversation}
        onRename={() => setNaming(true)}
        className="me-0.5 opacity-0 group-hover:opacity-100 group-focus-within:opacity-100 data-[state=open]:opacity-100 pointer-coarse:opacity-100 max-md:opacity-100"
      />
    </li>
  );
});
