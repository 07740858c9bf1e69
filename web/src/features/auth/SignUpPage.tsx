import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { AccountForm } from "@/features/auth/AccountForm";
import { AuthFrame } from "@/features/auth/AuthFrame";
import { useSignUp } from "@/features/auth/hooks";
import { linkSecret } from "@/features/auth/linkSecret";
import { signUpCase } from "@/features/auth/signUpCase";
import { useT } from "@/lib/i18n";
import { useBootstrap } from "@/lib/session";

export default function SignUpPage() {
  const t = useT();
  const { data } = useBootstrap();
  const signUp = useSignUp();
  const [invite] = useState(() => linkSecret("invite"));
  const kind = data === undefined ? null : signUpCase(data, invite);
  if (kind === null) return null;
  const signIn = (
    <p>
      {t("auth.signUp.haveAccount")}{" "}
      <Link href="/sign-in" className="font-medium text-ember underline underline-offset-4">
        {t("auth.signIn.action")}
      </Link>
    </p>
  );
  if (kind === "shut") {
    return (
      <AuthFrame title={t("auth.signUp.shut.title")} footer={signIn}>
        <p className="text-sm text-ink-soft">
          {data?.sign_up_mode === "invite" ? t("auth.signUp.shut.invite") : t("auth.signUp.shut.closed")}
        </p>
      </AuthFrame>
    );
  }
  return (
    <AuthFrame
      title={t(`auth.signUp.${kind}.title`, { instance: data?.instance_name ?? t("common.appName") })}
      text={t(`auth.signUp.${kind}.text`)}
      footer={kind === "first" ? undefined : signIn}
    >
      {kind === "first" && (
        <p className="mb-5 flex gap-3 rounded-2xl bg-ember-soft px-4 py-3 text-sm">
          <ShieldCheck size={18} className="mt-0.5 shrink-0 text-ember" aria-hidden />
          {t("auth.signUp.first.note")}
        </p>
      )}
      <AccountForm
        isNew
        action={t("auth.signUp.action")}
        busy={signUp.isPending}
        error={signUp.error}
        onSubmit={(fields) => signUp.mutate({ ...fields, ...(invite === null ? {} : { invite }) })}
      />
    </AuthFrame>
  );
}
