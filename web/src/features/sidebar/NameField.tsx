import { useRef } from "react";

interface NameFieldProps {
  label: string;
  value: string;
  placeholder?: string;
  onName: (name: string) => void;
  onCancel: () => void;
}

/** A name written in place: Enter or leaving keeps it, Esc leaves it as it was. */
export function NameField({ label, value, placeholder, onName, onCancel }: NameFieldProps) {
  const over = useRef(false);
  const finish = (text: string | null) => {
    if (over.current) return;
    over.current = true;
    const name = text?.trim() ?? "";
    if (name === "") onCancel();
    else onName(name);
  };
  return (
    <input
      ref={(field) => {
        if (field === null || field === document.activeElement || over.current) return;
        field.focus();
        field.select();
      }}
      aria-label={label}
      defaultValue={value}
      placeholder={placeholder}
      maxLength={200}
      onBlur={(event) => finish(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !event.nativeEvent.isComposing) finish(event.currentTarget.value);
        if (event.key === "Escape") {
          event.stopPropagation();
          finish(null);
        }
      }}
      className="h-9 w-full rounded-xl border border-line-strong bg-surface px-3 text-sm max-sm:text-base"
    />
  );
}
