import { Database, Gauge, KeyRound, Palette, ShieldCheck, Sparkles, UserRound } from "lucide-react";
import { SectionedPage } from "@/components/page/SectionedPage";
import { AppearanceSection } from "@/features/settings/AppearanceSection";
import { AssistantSection } from "@/features/settings/AssistantSection";
import { DataSection } from "@/features/settings/DataSection";
import { KeysSection } from "@/features/settings/KeysSection";
import { PlanSection } from "@/features/settings/PlanSection";
import { ProfileSection } from "@/features/settings/ProfileSection";
import { SecuritySection } from "@/features/settings/SecuritySection";
import { useT } from "@/lib/i18n";

export default function SettingsPage() {
  const t = useT();
  const size = 17;
  return (
    <SectionedPage
      title={t("settings.title")}
      navLabel={t("settings.sections")}
      base="/settings"
      sections={[
        {
          slug: "profile",
          label: t("settings.profile.title"),
          icon: <UserRound size={size} />,
          content: <ProfileSection />,
        },
        {
          slug: "appearance",
          label: t("settings.appearance.title"),
          icon: <Palette size={size} />,
          content: <AppearanceSection />,
        },
        {
          slug: "assistant",
          label: t("settings.assistant.title"),
          icon: <Sparkles size={size} />,
          content: <AssistantSection />,
        },
        {
          slug: "plan",
          label: t("settings.plan.title"),
          icon: <Gauge size={size} />,
          content: <PlanSection />,
        },
        {
          slug: "data",
          label: t("settings.data.title"),
          icon: <Database size={size} />,
          content: <DataSection />,
        },
        {
          slug: "keys",
          label: t("settings.keys.title"),
          icon: <KeyRound size={size} />,
          content: <KeysSection />,
        },
        {
          slug: "security",
          label: t("settings.security.title"),
          icon: <ShieldCheck size={size} />,
          content: <SecuritySection />,
        },
      ]}
    />
  );
}
