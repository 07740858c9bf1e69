/** Names people and models write after ``` -> the name of the grammar. */
const aliases: Record<string, string> = {
  sh: "bash",
  shell: "bash",
  zsh: "bash",
  console: "bash",
  shellscript: "bash",
  "c++": "cpp",
  cc: "cpp",
  hpp: "cpp",
  h: "c",
  cs: "csharp",
  "c#": "csharp",
  dockerfile: "docker",
  gql: "graphql",
  hs: "haskell",
  htm: "html",
  svg: "xml",
  js: "javascript",
  mjs: "javascript",
  node: "javascript",
  ts: "typescript",
  jl: "julia",
  kt: "kotlin",
  tex: "latex",
  makefile: "make",
  md: "markdown",
  ps1: "powershell",
  py: "python",
  python3: "python",
  ipython: "python",
  rb: "ruby",
  rs: "rust",
  sqlite: "sql",
  postgresql: "sql",
  mysql: "sql",
  yml: "yaml",
  json5: "json",
  jsonc: "json",
  conf: "ini",
};

const endings: Record<string, string> = {
  bash: "sh",
  csharp: "cs",
  docker: "Dockerfile",
  haskell: "hs",
  javascript: "js",
  julia: "jl",
  kotlin: "kt",
  latex: "tex",
  make: "mk",
  markdown: "md",
  perl: "pl",
  powershell: "ps1",
  python: "py",
  ruby: "rb",
  rust: "rs",
  typescript: "ts",
  elixir: "ex",
  text: "txt",
};

/** The grammar's name for what stands after ```; null when nothing does or it means plain text. */
export function canonicalLanguage(written: string): string | null {
  const name = written.trim().toLowerCase();
  if (name === "" || ["text", "txt", "plain", "plaintext"].includes(name)) return null;
  return aliases[name] ?? name;
}

/** A name for a file that holds code in this language. */
export function fileNameFor(written: string): string {
  const name = canonicalLanguage(written) ?? "text";
  const ending = endings[name] ?? (/^[a-z]{1,10}$/.test(name) ? name : "txt");
  return `code.${ending}`;
}
