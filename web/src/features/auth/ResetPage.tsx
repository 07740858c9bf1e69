import { useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { FormNote } from "@/components/page/FormNote";
import { Button } from "@/components/ui/Button";
import { PasswordField } from "@/components/ui/PasswordField";
import { toast } from "@/components/ui/Toast";
import { AuthFrame } from "@/features/auth/AuthFrame";
import { MIN_PASSWORD_CHARS } from "@/features/auth/checks";
import { useResetPassword } from "@/features/auth/hooks";
import { linkSecret } from "@/features/auth/linkSecret";
import { formErrors, texts } from "@/lib/formErrors";
import { useT } from "@/lib/i18n";

/** Where an administrator's link leads: choose a new password, once. */
export default function ResetPage() {
  const t = useT();
  const [secret] = useState(() => linkSecret("token") ?? "");
  const [, navigate] = useLocation();
  const reset = useResetPassword();
  const [isShort, setShort] = useState(false);
  const refused = formErrors(reset.isPending ? null : reset.error, ["password"]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { password = "" } = texts(event.currentTarget);
    setShort([...password].length < MIN_PASSWORD_CHARS);
    if ([...password].length < MIN_PASSWORD_CHARS) return;
    const done = () => {
      toast({ title: t("auth.reset.done") });
      navigate("/sign-in", { replace: true });
    };
    reset.mutate({ token: secret, password }, { onSuccess: done });
  };

  return (
    <AuthFrame title={t("auth.reset.title")} text={t("auth.reset.text")}>
      <form onSubmit={submit} noValidate className="flex flex-col gap-4">
        <PasswordField
          name="password"
          label={t("auth.reset.password")}
          autoComplete="new-password"
          autoFocus
          maxLength={1024}
          hint={t("auth.passwordHint", { count: MIN_PASSWORD_CHARS })}
          error={
            isShort
              ? t("auth.problem.shortPassword", { count: MIN_PASSWORD_CHARS })
              : refused.fields["password"]
          }
        />
        <FormNote text={refused.form} />
        <Button type="submit" look="primary" size="lg" busy={reset.isPending} className="mt-1 w-full">
          {t("auth.reset.action")}
        </Button>
      </form>
    </AuthFrame>
  );
}
