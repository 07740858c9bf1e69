import { useState, type FormEvent } from "react";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { PasswordField } from "@/components/ui/PasswordField";
import { TextField } from "@/components/ui/TextField";
import { check, MIN_PASSWORD_CHARS, type Problems } from "@/features/auth/checks";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

export interface AccountFormProps {
  isNew: boolean;
  action: string;
  busy: boolean;
  error: unknown;
  onSubmit: (fields: { name: string; email: string; password: string }) => void;
}

/** The fields of signing in and signing up; what is wrong is said under the field. */
export function AccountForm({ isNew, action, busy, error, onSubmit }: AccountFormProps) {
  const t = useT();
  const [problems, setProblems] = useState<Problems>({});
  const refused = formErrors(busy ? null : error, ["name", "email", "password"]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { name = "", email = "", password = "" } = texts(form);
    const found = check({ name, email, password }, isNew);
    setProblems(found);
    const first = (["name", "email", "password"] as const).find((field) => found[field] !== undefined);
    if (first === undefined) onSubmit({ name: name.trim(), email: email.trim(), password });
    else form.querySelector<HTMLInputElement>(`[name=${first}]`)?.focus();
  };

  const wrong = (field: "name" | "email" | "password") => {
    const key = problems[field];
    return key === undefined ? refused.fields[field] : t(key, { count: MIN_PASSWORD_CHARS });
  };

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      {isNew && (
        <TextField
          name="name"
          label={t("auth.name")}
          autoComplete="name"
          autoFocus
          maxLength={120}
          error={wrong("name")}
        />
      )}
      <TextField
        name="email"
        type="email"
        inputMode="email"
        label={t("auth.email")}
        autoComplete="username"
        autoFocus={!isNew}
        maxLength={254}
        error={wrong("email")}
      />
      <PasswordField
        name="password"
        label={t("auth.password")}
        autoComplete={isNew ? "new-password" : "current-password"}
        maxLength={1024}
        {...(isNew ? { hint: t("auth.passwordHint", { count: MIN_PASSWORD_CHARS }) } : {})}
        error={wrong("password")}
      />
      <FormNote text={refused.form} />
      <Button type="submit" look="primary" size="lg" busy={busy} className="mt-1 w-full">
        {action}
      </Button>
    </form>
  );
}
