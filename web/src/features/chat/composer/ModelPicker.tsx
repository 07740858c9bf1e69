import { ChevronDown } from "lucide-react";
import { Menu, MenuItem } from "@/components/ui/Menu";
import { useT } from "@/lib/i18n";
import { titleOf, useModels } from "@/lib/models";

/** Which model answers next, and the others there are. */
export function ModelPicker({ model, onPick }: { model: string | null; onPick: (name: string) => void }) {
  const t = useT();
  const { data: models } = useModels();
  if (models === undefined) return <span className="h-9" />;
  const current = model ?? models.default;
  const title = titleOf(models, current) || t("chat.model.none");
  return (
    <Menu
      label={t("chat.model.pick")}
      trigger={
        <button
          type="button"
          aria-label={`${t("chat.model.label")}: ${title}`}
          className="flex h-9 min-w-0 items-center gap-1.5 rounded-xl px-3 font-medium text-ink-soft hover:bg-hover hover:text-ink data-[state=open]:bg-hover"
        >
          <span className="truncate">{title}</span>
          <ChevronDown size={16} className="shrink-0 text-ink-faint" aria-hidden />
        </button>
      }
    >
      {models.models.map((one) => {
        const note = one.ready ? one.description : t("chat.model.starting");
        return (
          <MenuItem
            key={one.name}
            checked={one.name === current}
            disabled={!one.ready}
            {...(note === "" ? {} : { note })}
            onSelect={() => onPick(one.name)}
          >
            {one.title || one.name}
          </MenuItem>
        );
      })}
      {models.models.length === 0 && (
        <MenuItem disabled onSelect={() => undefined}>
          {t("chat.model.none")}
        </MenuItem>
      )}
    </Menu>
  );
}
