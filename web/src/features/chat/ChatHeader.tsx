import { MessageCircleDashed } from "lucide-react";
import type { ReactNode } from "react";
import { ModelPicker } from "@/features/chat/composer/ModelPicker";
import type { ThreadState } from "@/features/chat/state/state";
import { IconButton } from "@/components/ui/IconButton";
import { useT } from "@/lib/i18n";

interface ChatHeaderProps {
  state: ThreadState;
  model: string | null;
  onPickModel: (name: string) => void;
  onTemporary: (temporary: boolean) => void;
  before: ReactNode;
  after: ReactNode;
}

/** The bar above a conversation: model, temporary chat, and what the shell adds. */
export function ChatHeader({ state, model, onPickModel, onTemporary, before, after }: ChatHeaderProps) {
  const t = useT();
  const blank = state.conversation === null && state.phase === "fresh";
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 px-2.5 sm:px-3">
      {before}
      <div className="min-w-0">
        <ModelPicker model={model} onPick={onPickModel} />
      </div>
      {state.conversation !== null && (
        <h1 className="sr-only">{state.conversation.title || t("chat.untitled")}</h1>
      )}
      {state.temporary && !blank && (
        <span className="ms-1 rounded-full border border-dashed border-line-strong px-2.5 py-0.5 text-xs text-ink-soft">
          {t("chat.temporary.title")}
        </span>
      )}
      <div className="ms-auto flex items-center gap-1">
        {(blank || state.temporary) && (
          <IconButton
            size="md"
            label={state.temporary ? t("chat.temporary.turnOff") : t("chat.temporary.turnOn")}
            aria-pressed={state.temporary}
            onClick={() => onTemporary(!state.temporary)}
          >
            <MessageCircleDashed size={19} aria-hidden />
          </IconButton>
        )}
        {after}
      </div>
    </header>
  );
}
