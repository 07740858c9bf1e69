import { openLayer } from "@/features/sidebar/ui";
import { Dialog } from "@/components/ui/Dialog";
import { modKey } from "@/lib/focus";
import { useT } from "@/lib/i18n";

const shortcuts = [
  { key: "send", keys: ["Enter"] },
  { key: "newline", keys: ["Shift", "Enter"] },
  { key: "stop", keys: ["Esc"] },
  { key: "editLast", keys: ["↑"] },
  { key: "focus", keys: ["Shift", "Esc"] },
  { key: "newChat", keys: [modKey, "Shift", "O"] },
  { key: "search", keys: [modKey, "K"] },
  { key: "sidebar", keys: [modKey, "Shift", "S"] },
  { key: "copyReply", keys: [modKey, "Shift", "C"] },
  { key: "help", keys: ["?"] },
] as const;

/** All keys of the page in one place. */
export function ShortcutsDialog() {
  const t = useT();
  return (
    <Dialog open onOpenChange={(open) => !open && openLayer(null)} title={t("chat.shortcuts.title")}>
      <dl className="mt-1 flex flex-col">
        {shortcuts.map(({ key, keys }) => (
          <div
            key={key}
            className="flex items-center justify-between gap-4 border-b py-2.5 text-sm last:border-0"
          >
            <dt>{t(`chat.shortcuts.${key}`)}</dt>
            <dd className="flex gap-1">
              {keys.map((one) => (
                <kbd
                  key={one}
                  className="min-w-6 rounded-md border bg-sunken px-1.5 py-0.5 text-center font-sans text-xs text-ink-soft"
                >
                  {one}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
