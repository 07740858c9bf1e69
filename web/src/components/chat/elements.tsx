import type { ComponentProps, ReactNode } from "react";
import type { Components, ExtraProps } from "streamdown";
import { CodeBlock } from "@/components/chat/CodeBlock";
import { t } from "@/lib/i18n";

type Props<K extends keyof React.JSX.IntrinsicElements> = ComponentProps<K> & ExtraProps;

/** An element as it is, without the renderer's own classes: prose.css dresses it. */
function plain<
  K extends
    | "p"
    | "h1"
    | "h2"
    | "h3"
    | "h4"
    | "h5"
    | "h6"
    | "ul"
    | "ol"
    | "li"
    | "hr"
    | "strong"
    | "blockquote"
    | "thead"
    | "tbody"
    | "tr"
    | "th"
    | "td"
    | "sub"
    | "sup",
>(Tag: K) {
  return function Plain({ node: _, ...rest }: Props<K>) {
    const Element = Tag as React.ElementType;
    return <Element {...rest} />;
  };
}

/** A link leaves in a new tab and tells nothing about where it was. */
function Link({ node: _, href, children, ...rest }: Props<"a">) {
  const within = href?.startsWith("#") ?? false;
  return (
    <a {...rest} href={href} {...(within ? {} : { target: "_blank", rel: "noopener noreferrer nofollow" })}>
      {children}
    </a>
  );
}

function Table({ node: _, children, ...rest }: Props<"table">) {
  return (
    <div className="fs-table scroll-quiet" role="region" aria-label={t("chat.table")} tabIndex={0}>
      <table {...rest}>{children}</table>
    </div>
  );
}

function Picture({ node: _, ...rest }: Props<"img">) {
  return <img {...rest} alt={rest.alt ?? ""} loading="lazy" decoding="async" />;
}

interface CodeNode {
  tagName?: string;
  properties?: { className?: unknown };
  children?: { type: string; value?: string }[];
}

function Pre({ node, children }: Props<"pre">) {
  const code = node?.children[0] as CodeNode | undefined;
  if (code?.tagName !== "code") return <pre>{children}</pre>;
  const names = Array.isArray(code.properties?.className) ? (code.properties.className as string[]) : [];
  const language = names.find((name) => name.startsWith("language-"))?.slice("language-".length) ?? "";
  const text = (code.children ?? []).map((child) => child.value ?? "").join("");
  return <CodeBlock language={language} code={text.replace(/\n$/, "")} />;
}

function InlineCode({ children }: { children?: ReactNode }) {
  return <code>{children}</code>;
}

/** How each element of Markdown is drawn. */
export const elements = {
  a: Link,
  table: Table,
  img: Picture,
  pre: Pre,
  code: InlineCode,
  inlineCode: InlineCode,
  p: plain("p"),
  h1: plain("h1"),
  h2: plain("h2"),
  h3: plain("h3"),
  h4: plain("h4"),
  h5: plain("h5"),
  h6: plain("h6"),
  ul: plain("ul"),
  ol: plain("ol"),
  li: plain("li"),
  hr: plain("hr"),
  strong: plain("strong"),
  blockquote: plain("blockquote"),
  thead: plain("thead"),
  tbody: plain("tbody"),
  tr: plain("tr"),
  th: plain("th"),
  td: plain("td"),
  sub: plain("sub"),
  sup: plain("sup"),
} as Components;
