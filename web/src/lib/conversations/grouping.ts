import type { ConversationView } from "@/lib/api/types";

/** A heading of the list: one of the named spans, or a month as `YYYY-MM`. */
export type GroupName = "pinned" | "today" | "yesterday" | "week" | "month" | (string & {});

export interface Group {
  name: GroupName;
  items: ConversationView[];
}

/** Conversations under their headings, newest first within each; pinned ones stand on top. */
export function grouped(conversations: readonly ConversationView[], now: Date): Group[] {
  const newestFirst = [...conversations].sort((a, b) => b.updated_at.localeCompare(a.updated_at));
  const groups: Group[] = [];
  const put = (name: GroupName, item: ConversationView) => {
    const group = groups.find((one) => one.name === name);
    if (group === undefined) groups.push({ name, items: [item] });
    else group.items.push(item);
  };
  for (const one of newestFirst.filter((item) => item.pinned)) put("pinned", one);
  for (const one of newestFirst.filter((item) => !item.pinned))
    put(nameFor(new Date(one.updated_at), now), one);
  return groups;
}

function nameFor(at: Date, now: Date): GroupName {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  if (days <= 7) return "week";
  if (days <= 30) return "month";
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}`;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
