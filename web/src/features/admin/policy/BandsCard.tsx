import { Card, CardBody } from "@/components/page/Card";
import { BANDS } from "@/features/admin/capacity/types";
import { BAND_FIELDS } from "@/features/admin/policy/fields";
import { Fields, GroupNote } from "@/features/admin/policy/NumberInput";
import { Fold } from "@/features/admin/policy/Fold";
import { useT } from "@/lib/i18n";

/** What each kind of work is promised. */
export function BandsCard() {
  const t = useT();
  return (
    <Card title={t("admin.policy.bands")} text={t("admin.policy.bandsText")}>
      <CardBody>
        <GroupNote path="bands" />
        <div>
          {BANDS.map((band) => (
            <Fold key={band} title={t(`admin.bands.${band}`)} path={`bands.${band}`}>
              <Fields prefix={`bands.${band}.`} specs={BAND_FIELDS} />
            </Fold>
          ))}
        </div>
      </CardBody>
    </Card>
  );
}
