import { Link, Redirect } from "wouter";
import { AccountForm } from "@/features/auth/AccountForm";
import { AuthFrame } from "@/features/auth/AuthFrame";
import { useSignIn } from "@/features/auth/hooks";
import { useT } from "@/lib/i18n";
import { useBootstrap } from "@/lib/session";

export default function SignInPage() {
  const t = useT();
  const { data } = useBootstrap();
  const signIn = useSignIn();
  if (data?.setup_needed === true) return <Redirect to="/sign-up" replace />;
  const mode = data?.sign_up_mode;
  return (
    <AuthFrame
      title={t("auth.signIn.title", { instance: data?.instance_name ?? t("common.appName") })}
      text={t("auth.signIn.text")}
      footer={
        <>
          {mode === "open" && (
            <p>
              {t("auth.signIn.noAccount")}{" "}
              <Link
                href={`/sign-up${location.search}`}
                className="font-medium text-ember underline underline-offset-4"
              >
                {t("auth.signIn.create")}
              </Link>
            </p>
          )}
          {mode === "invite" && <p>{t("auth.signIn.inviteOnly")}</p>}
          <p className="text-ink-faint">{t("auth.signIn.forgot")}</p>
          <p>
            <Link href="/status" className="text-ink-faint underline underline-offset-4 hover:text-ink">
              {t("auth.signIn.status")}
            </Link>
          </p>
        </>
      }
    >
      <AccountForm
        isNew={false}
        action={t("auth.signIn.action")}
        busy={signIn.isPending}
        error={signIn.error}
        onSubmit={({ email, password }) => signIn.mutate({ email, password })}
      />
    </AuthFrame>
  );
}
