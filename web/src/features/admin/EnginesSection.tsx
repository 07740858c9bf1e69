import { Plus } from "lucide-react";
import { useState } from "react";
import { Card, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { EmptyState } from "@/components/ui/EmptyState";
import { AddEngineDialog } from "@/features/admin/AddEngineDialog";
import { EngineItem } from "@/features/admin/EngineItem";
import { useEngines } from "@/features/admin/hooks";
import { useT } from "@/lib/i18n";

/** Where models run: the embedded engine and whatever servers were added. */
export function EnginesSection() {
  const t = useT();
  const engines = useEngines();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Card
        title={t("admin.engines.engines")}
        text={t("admin.engines.text")}
        action={
          <Button look="primary" onClick={() => setAdding(true)}>
            <Plus size={16} aria-hidden />
            {t("admin.engines.add")}
          </Button>
        }
      >
        <Loaded query={engines}>
          {(list) =>
            list.length === 0 ? (
              <EmptyState title={t("admin.engines.none")} text={t("admin.engines.noneText")} />
            ) : (
              <CardRows label={t("admin.engines.engines")}>
                {list.map((engine) => (
                  <EngineItem key={engine.id} engine={engine} />
                ))}
              </CardRows>
            )
          }
        </Loaded>
      </Card>
      <AddEngineDialog open={adding} onOpenChange={setAdding} />
    </>
  );
}
