import { useState } from "react";
import { Card, CardBody } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { useSetSignUpMode, useSignUpMode } from "@/features/admin/hooks";
import type { SignUpMode } from "@/lib/api/types";
import { formatDate, useT } from "@/lib/i18n";

/** Who may make an account here. Every change is kept with who made it and when. */
export function SignUpModeCard() {
  const t = useT();
  const policy = useSignUpMode();
  const set = useSetSignUpMode();
  // What was just chosen shows at once; a failure brings the old value back.
  const [chosen, setChosen] = useState<SignUpMode | null>(null);
  const choose = (mode: SignUpMode) => {
    setChosen(mode);
    set.mutate({ mode, reason: "" }, { onSettled: () => setChosen(null) });
  };
  return (
    <Card title={t("admin.people.mode.title")}>
      <Loaded query={policy}>
        {(data) => (
          <CardBody>
            <div
              role="radiogroup"
              aria-label={t("admin.people.mode.title")}
              className="grid gap-2 sm:grid-cols-3"
            >
              {(["open", "invite", "closed"] as const).map((mode) => (
                <label
                  key={mode}
                  className="flex cursor-pointer gap-3 rounded-xl border p-3.5 text-sm transition-colors hover:bg-hover has-checked:border-ember has-checked:bg-ember-soft has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-ember"
                >
                  <input
                    type="radio"
                    name="mode"
                    checked={(chosen ?? data.mode) === mode}
                    onChange={() => choose(mode)}
                    className="mt-1 size-4 accent-(--fs-ember) outline-none"
                  />
                  <span>
                    <span className="block font-medium">{t(`admin.people.mode.${mode}`)}</span>
                    <span className="block text-ink-soft">{t(`admin.people.mode.${mode}Text`)}</span>
                  </span>
                </label>
              ))}
            </div>
            {data.at !== undefined && data.at !== null && (
              <p className="text-sm text-ink-faint">
                {t("admin.people.mode.since", { date: formatDate(data.at) })}
              </p>
            )}
          </CardBody>
        )}
      </Loaded>
    </Card>
  );
}
