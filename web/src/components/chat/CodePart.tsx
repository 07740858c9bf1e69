import { lazy, Suspense } from "react";

const CodeBlock = lazy(() =>
  import("@/components/chat/CodeBlock").then((module) => ({ default: module.CodeBlock })),
);

/** A cell of code; its colours and buttons are fetched when there is one. */
export function CodePart({ language, source }: { language: string; source: string }) {
  return (
    <Suspense
      fallback={
        <div className="fs-code">
          <pre>{source}</pre>
        </div>
      }
    >
      <CodeBlock language={language} code={source} />
    </Suspense>
  );
}
