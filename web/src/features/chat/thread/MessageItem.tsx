import { memo } from "react";
import { useThread } from "@/features/chat/actions";
import { AssistantMessage } from "@/features/chat/thread/AssistantMessage";
import { EditMessage } from "@/features/chat/thread/EditMessage";
import { UserMessage } from "@/features/chat/thread/UserMessage";
import type { MessageView } from "@/lib/api/types";

/** One message, by who wrote it. What is meant for the model alone is not shown. */
export const MessageItem = memo(function MessageItem({ view }: { view: MessageView }) {
  const { editing } = useThread();
  const { message } = view;
  switch (message.author.role) {
    case "user":
      return editing === message.id ? <EditMessage message={message} /> : <UserMessage view={view} />;
    case "assistant":
    case "tool":
      return <AssistantMessage view={view} />;
    case "system":
    case "developer":
      return null;
  }
});
