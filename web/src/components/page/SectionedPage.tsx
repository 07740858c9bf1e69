import { useEffect, useRef, type ReactNode } from "react";
import { Link, Redirect, useLocation } from "wouter";
import { cx } from "@/lib/cx";

export interface Section {
  /** The last word of the section's address. */
  slug: string;
  label: string;
  icon: ReactNode;
  content: ReactNode;
}

export interface SectionedPageProps {
  title: string;
  /** What the list of sections is called by screen readers. */
  navLabel: string;
  /** Address of the page without a section, for example "/settings". */
  base: string;
  sections: readonly Section[];
}

const link =
  "flex min-h-10 shrink-0 items-center gap-2.5 rounded-xl px-3 text-sm whitespace-nowrap text-ink-soft transition-colors hover:bg-hover hover:text-ink aria-[current=page]:bg-ember-soft aria-[current=page]:font-medium aria-[current=page]:text-ink";

/** A page of sections with an address each: a list beside them, a row above them on a phone. */
export function SectionedPage({ title, navLabel, base, sections }: SectionedPageProps) {
  const [path] = useLocation();
  const slug = path.slice(base.length + 1);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // On a phone the row is wider than the screen: bring the chosen section into it.
    const chosen = list.current?.querySelector("[aria-current=page]");
    chosen?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [slug]);
  const shown = sections.find((section) => section.slug === slug);
  if (shown === undefined) return <Redirect to={`${base}/${sections[0]!.slug}`} replace />;
  return (
    <main
      className="min-h-0 min-w-0 flex-1 overflow-x-clip overflow-y-auto outline-none scroll-quiet"
      id="main"
      tabIndex={-1}
    >
      <div className="mx-auto w-full max-w-5xl px-4 pt-2 pb-24 sm:px-8 md:pt-12">
        <h1 className="font-display text-3xl tracking-tight">{title}</h1>
        <div className="mt-5 gap-12 lg:mt-8 lg:grid lg:grid-cols-[11.5rem_minmax(0,1fr)]">
          <nav
            aria-label={navLabel}
            className="sticky top-0 z-10 -mx-4 mb-6 bg-canvas px-4 py-2 sm:-mx-8 sm:px-8 lg:top-8 lg:mx-0 lg:mb-0 lg:self-start lg:bg-transparent lg:p-0"
          >
            <ul
              ref={list}
              className="flex gap-1 overflow-x-auto [scrollbar-width:none] lg:flex-col lg:overflow-visible"
            >
              {sections.map((section) => (
                <li key={section.slug}>
                  <Link
                    href={`${base}/${section.slug}`}
                    aria-current={section === shown ? "page" : undefined}
                    className={cx(link, "lg:-ms-3")}
                  >
                    <span className="text-ink-faint" aria-hidden>
                      {section.icon}
                    </span>
                    {section.label}
                  </Link>
                </li>
              ))}
            </ul>
          </nav>
          <section key={shown.slug} aria-labelledby="section-title" className="min-w-0 animate-fade">
            <h2 id="section-title" className="text-lg font-semibold tracking-tight">
              {shown.label}
            </h2>
            <div className="mt-4 flex flex-col gap-6">{shown.content}</div>
          </section>
        </div>
      </div>
    </main>
  );
}
