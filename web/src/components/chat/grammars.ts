import type { LanguageInput } from "@shikijs/core";

type Load = () => Promise<LanguageInput>;

const one =
  (load: () => Promise<{ default: LanguageInput }>): Load =>
  () =>
    load().then((module) => module.default);

/** Languages with colours. Each grammar is a file of its own, fetched when a reply first uses it. */
export const grammars: Record<string, Load> = {
  bash: one(() => import("@shikijs/langs/bash")),
  c: one(() => import("@shikijs/langs/c")),
  cpp: one(() => import("@shikijs/langs/cpp")),
  csharp: one(() => import("@shikijs/langs/csharp")),
  css: one(() => import("@shikijs/langs/css")),
  dart: one(() => import("@shikijs/langs/dart")),
  diff: one(() => import("@shikijs/langs/diff")),
  docker: one(() => import("@shikijs/langs/docker")),
  elixir: one(() => import("@shikijs/langs/elixir")),
  go: one(() => import("@shikijs/langs/go")),
  graphql: one(() => import("@shikijs/langs/graphql")),
  haskell: one(() => import("@shikijs/langs/haskell")),
  html: one(() => import("@shikijs/langs/html")),
  ini: one(() => import("@shikijs/langs/ini")),
  java: one(() => import("@shikijs/langs/java")),
  javascript: one(() => import("@shikijs/langs/javascript")),
  json: one(() => import("@shikijs/langs/json")),
  jsx: one(() => import("@shikijs/langs/jsx")),
  julia: one(() => import("@shikijs/langs/julia")),
  kotlin: one(() => import("@shikijs/langs/kotlin")),
  latex: one(() => import("@shikijs/langs/latex")),
  lua: one(() => import("@shikijs/langs/lua")),
  make: one(() => import("@shikijs/langs/make")),
  markdown: one(() => import("@shikijs/langs/markdown")),
  nginx: one(() => import("@shikijs/langs/nginx")),
  perl: one(() => import("@shikijs/langs/perl")),
  php: one(() => import("@shikijs/langs/php")),
  powershell: one(() => import("@shikijs/langs/powershell")),
  python: one(() => import("@shikijs/langs/python")),
  r: one(() => import("@shikijs/langs/r")),
  ruby: one(() => import("@shikijs/langs/ruby")),
  rust: one(() => import("@shikijs/langs/rust")),
  scala: one(() => import("@shikijs/langs/scala")),
  scss: one(() => import("@shikijs/langs/scss")),
  sql: one(() => import("@shikijs/langs/sql")),
  swift: one(() => import("@shikijs/langs/swift")),
  toml: one(() => import("@shikijs/langs/toml")),
  tsx: one(() => import("@shikijs/langs/tsx")),
  typescript: one(() => import("@shikijs/langs/typescript")),
  vue: one(() => import("@shikijs/langs/vue")),
  xml: one(() => import("@shikijs/langs/xml")),
  yaml: one(() => import("@shikijs/langs/yaml")),
  zig: one(() => import("@shikijs/langs/zig")),
};
