import { Search, UserPlus } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { Card, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { EmptyState } from "@/components/ui/EmptyState";
import { AddPersonDialog } from "@/features/admin/AddPersonDialog";
import { usePeople } from "@/features/admin/hooks";
import { Invites } from "@/features/admin/Invites";
import { PersonRow } from "@/features/admin/PersonRow";
import { SignUpModeCard } from "@/features/admin/SignUpModeCard";
import { useT } from "@/lib/i18n";

function Finder({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const t = useT();
  return (
    <div className="relative mx-5 mt-3">
      <Search
        size={16}
        aria-hidden
        className="pointer-events-none absolute inset-y-0 start-3.5 my-auto text-ink-faint"
      />
      <input
        type="search"
        aria-label={t("admin.people.find")}
        placeholder={t("admin.people.find")}
        value={value}
        maxLength={200}
        onChange={(event) => onChange(event.target.value)}
        className="h-10 w-full rounded-xl border border-line-strong bg-surface ps-10 pe-3.5 text-sm placeholder:text-ink-faint max-sm:text-base"
      />
    </div>
  );
}

export function PeopleSection() {
  const t = useT();
  const [typed, setTyped] = useState("");
  const [adding, setAdding] = useState(false);
  const people = usePeople(useDeferredValue(typed.trim()));
  return (
    <>
      <SignUpModeCard />
      <Card
        title={t("admin.people.people")}
        action={
          <Button onClick={() => setAdding(true)}>
            <UserPlus size={16} aria-hidden />
            {t("admin.people.add")}
          </Button>
        }
      >
        <Finder value={typed} onChange={setTyped} />
        <Loaded query={people}>
          {(data) => {
            const list = data.pages.flatMap((page) => page.items);
            if (list.length === 0) {
              return <EmptyState title={t("admin.people.none")} text={t("admin.people.noneText")} />;
            }
            return (
              <CardRows label={t("admin.people.people")}>
                {list.map((person) => (
                  <PersonRow key={person.id} person={person} />
                ))}
              </CardRows>
            );
          }}
        </Loaded>
        {people.hasNextPage && (
          <div className="border-t px-5 py-3 text-center">
            <Button
              look="quiet"
              size="sm"
              busy={people.isFetchingNextPage}
              onClick={() => void people.fetchNextPage()}
            >
              {t("admin.people.more")}
            </Button>
          </div>
        )}
      </Card>
      <Invites />
      <AddPersonDialog open={adding} onOpenChange={setAdding} />
    </>
  );
}
