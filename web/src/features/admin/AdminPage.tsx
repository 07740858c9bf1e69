import { Activity, Boxes, Cpu, Gauge, Megaphone, Scale, Users } from "lucide-react";
import { SectionedPage } from "@/components/page/SectionedPage";
import { CapacitySection } from "@/features/admin/capacity/CapacitySection";
import { IncidentsSection } from "@/features/admin/capacity/IncidentsSection";
import { EnginesSection } from "@/features/admin/EnginesSection";
import { ModelsSection } from "@/features/admin/ModelsSection";
import { OverviewSection } from "@/features/admin/OverviewSection";
import { PeopleSection } from "@/features/admin/PeopleSection";
import { PolicySection } from "@/features/admin/policy/PolicySection";
import { useT } from "@/lib/i18n";

export default function AdminPage() {
  const t = useT();
  const size = 17;
  return (
    <SectionedPage
      title={t("admin.title")}
      navLabel={t("admin.sections")}
      base="/admin"
      sections={[
        {
          slug: "overview",
          label: t("admin.overview.title"),
          icon: <Activity size={size} />,
          content: <OverviewSection />,
        },
        {
          slug: "capacity",
          label: t("admin.capacity.title"),
          icon: <Gauge size={size} />,
          content: <CapacitySection />,
        },
        {
          slug: "policy",
          label: t("admin.policy.title"),
          icon: <Scale size={size} />,
          content: <PolicySection />,
        },
        {
          slug: "incidents",
          label: t("admin.incidents.title"),
          icon: <Megaphone size={size} />,
          content: <IncidentsSection />,
        },
        {
          slug: "people",
          label: t("admin.people.title"),
          icon: <Users size={size} />,
          content: <PeopleSection />,
        },
        {
          slug: "models",
          label: t("admin.models.title"),
          icon: <Boxes size={size} />,
          content: <ModelsSection />,
        },
        {
          slug: "engines",
          label: t("admin.engines.title"),
          icon: <Cpu size={size} />,
          content: <EnginesSection />,
        },
      ]}
    />
  );
}
