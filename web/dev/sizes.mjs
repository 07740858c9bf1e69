// What a visit weighs: the files of the first load, and each chunk that comes later, gzipped.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = join(import.meta.dirname, "../dist");
const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));
const gz = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const kb = (bytes) => `${(bytes / 1000).toFixed(1).padStart(7)} kB`;

function withImports(key, seen = new Set()) {
  const chunk = manifest[key];
  if (chunk === undefined || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const css of chunk.css ?? []) seen.add(css);
  for (const next of chunk.imports ?? []) withImports(next, seen);
  return seen;
}

const first = [...withImports("index.html")];
const total = (files) => files.reduce((sum, file) => sum + gz(file), 0);
console.log("First load (gzip)");
for (const file of first) console.log(kb(gz(file)), file);
console.log(kb(total(first.filter((f) => f.endsWith(".js")))), "JavaScript");
console.log(kb(total(first)), "with styles\n");
console.log("Later, when needed (gzip, with what they need and the first load lacks)");
for (const name of ["MarkdownBlocks", "CodeBlock", "highlight", "mathPlugins", "SearchDialog", "SettingsPage", "AdminPage", "SharedPage", "StatusPage", "SignInPage"]) {
  const key = Object.keys(manifest).find((k) => manifest[k].name === name || k.endsWith(`/${name}.tsx`) || k.endsWith(`/${name}.ts`));
  if (key === undefined) continue;
  console.log(kb(total([...withImports(key)].filter((file) => !first.includes(file)))), name);
}
const files = readdirSync(dist, { recursive: true }).map(String).filter((f) => statSync(join(dist, f)).isFile());
console.log(kb(files.reduce((sum, f) => sum + statSync(join(dist, f)).size, 0)), `in ${files.length} files, not compressed`);
