import { Eye, EyeOff } from "lucide-react";
import { useId, useState, type ComponentProps } from "react";
import { IconButton } from "@/components/ui/IconButton";
import { TextField } from "@/components/ui/TextField";
import { useT } from "@/lib/i18n";

/** A password with a button that shows it. */
export function PasswordField(props: ComponentProps<typeof TextField>) {
  const t = useT();
  const own = useId();
  const id = props.id ?? own;
  const [shown, setShown] = useState(false);
  return (
    <div className="relative">
      <TextField
        {...props}
        id={id}
        type={shown ? "text" : "password"}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        className="pe-11"
      />
      <div className="absolute end-1 top-[2.0625rem]">
        <IconButton
          label={shown ? t("common.hidePassword") : t("common.showPassword")}
          aria-controls={id}
          onClick={() => setShown(!shown)}
        >
          {shown ? <EyeOff size={17} aria-hidden /> : <Eye size={17} aria-hidden />}
        </IconButton>
      </div>
    </div>
  );
}
