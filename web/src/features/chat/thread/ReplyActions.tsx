import { Check, Copy, RefreshCw, Square, Volume2 } from "lucide-react";
import { attempt, useThread } from "@/features/chat/actions";
import { Thumbs } from "@/features/chat/feedback/Thumbs";
import { useReadAloud } from "@/features/chat/thread/useReadAloud";
import { IconButton } from "@/components/ui/IconButton";
import { Menu, MenuItem, MenuLabel, MenuLine } from "@/components/ui/Menu";
import { useCopy } from "@/lib/clipboard";
import { textOf, type Message } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import { titleOf, useModels } from "@/lib/models";

/** What can be done with a finished reply, and quietly who wrote it. */
export function ReplyActions({ message }: { message: Message }) {
  const t = useT();
  const { session, model } = useThread();
  const { data: models } = useModels();
  const [copied, copy] = useCopy();
  const text = textOf(message);
  const [reading, read] = useReadAloud(text);
  const writer = titleOf(models, message.model);
  const regenerate = (name: string | null) => attempt(() => session.regenerate(message.id, name));
  return (
    <>
      <IconButton label={copied ? t("common.copied") : t("chat.reply.copy")} onClick={() => void copy(text)}>
        {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
      </IconButton>
      {!session.getState().temporary && <Thumbs messageId={message.id} />}
      {read !== null && (
        <IconButton
          label={reading ? t("chat.reply.stopReading") : t("chat.reply.readAloud")}
          aria-pressed={reading}
          onClick={read}
        >
          {reading ? <Square size={15} aria-hidden /> : <Volume2 size={16} aria-hidden />}
        </IconButton>
      )}
      <Menu
        trigger={
          <IconButton label={t("chat.reply.regenerate")}>
            <RefreshCw size={15} aria-hidden />
          </IconButton>
        }
      >
        <MenuItem
          icon={<RefreshCw size={15} aria-hidden />}
          onSelect={() => regenerate(message.model ?? model)}
        >
          {t("chat.reply.regenerate")}
        </MenuItem>
        {models !== undefined && models.models.length > 1 && (
          <>
            <MenuLine />
            <MenuLabel>{t("chat.reply.regenerateWith")}</MenuLabel>
            {models.models.map((one) => (
              <MenuItem
                key={one.name}
                disabled={!one.ready}
                checked={one.name === message.model}
                {...(one.ready ? {} : { note: t("chat.model.starting") })}
                onSelect={() => regenerate(one.name)}
              >
                {one.title || one.name}
              </MenuItem>
            ))}
          </>
        )}
      </Menu>
      {writer !== "" && (
        <span className="ms-1.5 truncate text-xs text-ink-faint">
          <span className="sr-only">{t("chat.reply.writtenBy", { model: writer })}</span>
          <span aria-hidden>{writer}</span>
        </span>
      )}
    </>
  );
}
