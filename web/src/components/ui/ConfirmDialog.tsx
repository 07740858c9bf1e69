import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { useT } from "@/lib/i18n";

export interface ConfirmDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  text: string;
  action: string;
  danger?: boolean;
  busy?: boolean;
  onConfirm: () => void;
}

/** Ask before something that cannot be undone. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const t = useT();
  return (
    <Dialog
      open={props.open}
      onOpenChange={props.onOpenChange}
      title={props.title}
      description={props.text}
      width="sm"
      footer={
        <>
          <Button onClick={() => props.onOpenChange(false)}>{t("common.cancel")}</Button>
          <Button
            look={props.danger === true ? "danger" : "primary"}
            busy={props.busy ?? false}
            onClick={props.onConfirm}
          >
            {props.action}
          </Button>
        </>
      }
    />
  );
}
