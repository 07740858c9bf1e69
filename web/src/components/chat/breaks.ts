/** A line break in a reply is one on the screen: models write verses and lists of short lines that way. */
interface Node {
  type: string;
  value?: string;
  children?: Node[];
}

function broken(node: Node): Node[] {
  if (node.type !== "text" || !node.value?.includes("\n")) return [node];
  return node.value
    .split("\n")
    .flatMap((line, at): Node[] => [
      ...(at === 0 ? [] : [{ type: "break" }]),
      ...(line === "" ? [] : [{ type: "text", value: line.replace(/[ \t]+$/, "") }]),
    ]);
}

function walk(node: Node): void {
  if (node.children === undefined) return;
  node.children = node.children.flatMap(broken);
  for (const child of node.children) walk(child);
}

/** A remark plugin: single newlines inside text become breaks. */
export function remarkBreaks(): (tree: Node) => void {
  return walk;
}
