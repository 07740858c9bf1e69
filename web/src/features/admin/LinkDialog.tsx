import { CopyField } from "@/components/page/CopyField";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { useT } from "@/lib/i18n";

export interface LinkDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  text: string;
  link: string;
}

/** A link that is shown once, to be handed over. */
export function LinkDialog({ open, onOpenChange, title, text, link }: LinkDialogProps) {
  const t = useT();
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={title}
      description={text}
      footer={
        <Button look="primary" onClick={() => onOpenChange(false)}>
          {t("admin.people.linkDone")}
        </Button>
      }
    >
      <div className="pt-3">
        <CopyField label={t("admin.people.link")} value={link} />
      </div>
    </Dialog>
  );
}
