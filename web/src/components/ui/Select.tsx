import { ChevronDown } from "lucide-react";
import { useId, type ComponentProps } from "react";
import { cx } from "@/lib/cx";

export interface SelectProps extends Omit<ComponentProps<"select">, "onChange"> {
  label: string;
  labelHidden?: boolean;
  options: readonly { value: string; label: string; disabled?: boolean }[];
  onValueChange: (value: string) => void;
}

/** The browser's own select, dressed: right on every phone and with every screen reader. */
export function Select({
  label,
  labelHidden = false,
  options,
  onValueChange,
  className,
  ...rest
}: SelectProps) {
  const id = useId();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className={labelHidden ? "sr-only" : "text-sm font-medium"}>
        {label}
      </label>
      <div className="relative">
        <select
          {...rest}
          id={id}
          onChange={(event) => onValueChange(event.target.value)}
          className={cx(
            "h-10 w-full appearance-none rounded-xl border border-line-strong bg-surface ps-3.5 pe-9 text-sm text-ink disabled:opacity-60 max-sm:text-base",
            className,
          )}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value} disabled={option.disabled ?? false}>
              {option.label}
            </option>
          ))}
        </select>
        <ChevronDown
          size={16}
          className="pointer-events-none absolute inset-y-0 end-3 my-auto text-ink-faint"
          aria-hidden
        />
      </div>
    </div>
  );
}
