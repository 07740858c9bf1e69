import { useId, type ComponentProps } from "react";
import { cx } from "@/lib/cx";

interface Common {
  label: string;
  /** Said under the field, always. */
  hint?: string;
  /** What is wrong with the value; announced, and said instead of the hint. */
  error?: string | undefined;
  labelHidden?: boolean;
}

const field =
  "w-full rounded-xl border border-line-strong bg-surface px-3.5 text-ink placeholder:text-ink-faint focus-visible:outline-offset-0 aria-invalid:border-bad disabled:opacity-60 max-sm:text-base";

function Frame({
  id,
  label,
  hint,
  error,
  labelHidden = false,
  children,
}: Common & { id: string; children: React.ReactNode }) {
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className={labelHidden ? "sr-only" : "text-sm font-medium"}>
        {label}
      </label>
      {children}
      {error !== undefined ? (
        <p id={`${id}-note`} role="alert" className="text-sm text-bad">
          {error}
        </p>
      ) : (
        hint !== undefined && (
          <p id={`${id}-note`} className="text-sm text-ink-faint">
            {hint}
          </p>
        )
      )}
    </div>
  );
}

/** One line of text with its label, hint and error tied to it. */
export function TextField({
  label,
  hint,
  error,
  labelHidden,
  className,
  ...rest
}: Common & ComponentProps<"input">) {
  const own = useId();
  const id = rest.id ?? own;
  const noted = error !== undefined || hint !== undefined;
  return (
    <Frame
      id={id}
      label={label}
      {...(hint === undefined ? {} : { hint })}
      error={error}
      labelHidden={labelHidden ?? false}
    >
      <input
        {...rest}
        id={id}
        aria-invalid={error !== undefined || undefined}
        aria-describedby={noted ? `${id}-note` : undefined}
        className={cx(field, "h-10 text-sm", className)}
      />
    </Frame>
  );
}

/** Several lines of text with its label, hint and error tied to it. */
export function TextArea({
  label,
  hint,
  error,
  labelHidden,
  className,
  ...rest
}: Common & ComponentProps<"textarea">) {
  const own = useId();
  const id = rest.id ?? own;
  const noted = error !== undefined || hint !== undefined;
  return (
    <Frame
      id={id}
      label={label}
      {...(hint === undefined ? {} : { hint })}
      error={error}
      labelHidden={labelHidden ?? false}
    >
      <textarea
        rows={4}
        {...rest}
        id={id}
        aria-invalid={error !== undefined || undefined}
        aria-describedby={noted ? `${id}-note` : undefined}
        className={cx(field, "py-2.5 text-sm", className)}
      />
    </Frame>
  );
}
