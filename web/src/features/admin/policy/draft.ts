/** A policy that is being edited: the one in force, and what was changed on top of it. Pure. */
import { asShown, asStored, scaleOf } from "@/features/admin/policy/fields";
import type { PlanPolicy, Policy } from "@/lib/api/types";

/** Changes by path ("plans.free.weight"), as typed; plans that come and go. */
export interface Draft {
  edits: Readonly<Record<string, string>>;
  added: readonly string[];
  removed: readonly string[];
}

export const noDraft: Draft = { edits: {}, added: [], removed: [] };

const NEW_PLAN: PlanPolicy = {
  band: "free",
  weight: 1,
  requests_per_minute: 0,
  tokens_per_minute: 0,
  tokens_per_day: 0,
  max_running: 0,
  max_waiting: 20,
};

type Tree = Record<string, unknown>;

/** The value at `path`. A plan's name may hold dots: it is all between `plans.` and the last step. */
export function at(policy: Policy, path: string): unknown {
  let value: unknown = policy;
  for (const step of steps(path)) value = (value as Tree | undefined)?.[step];
  return value;
}

function steps(path: string): string[] {
  const plan = /^plans\.(.+)\.([^.]+)$/.exec(path);
  return plan === null ? path.split(".") : ["plans", plan[1]!, plan[2]!];
}

/** The text of a field: what was typed, else what is in force. */
export function shown(policy: Policy, draft: Draft, path: string): string {
  const typed = draft.edits[path];
  if (typed !== undefined) return typed;
  const [group, name] = steps(path);
  const fresh = group === "plans" && draft.added.includes(name!);
  const value = fresh ? NEW_PLAN[steps(path)[2] as keyof PlanPolicy] : at(policy, path);
  return typeof value === "number" ? asShown(value, scaleOf(path) ?? 1) : String(value ?? "");
}

/** The draft after `text` was typed at `path`; what equals the policy in force is no change. */
export function typed(policy: Policy, draft: Draft, path: string, text: string): Draft {
  const { [path]: _, ...others } = draft.edits;
  const before = shown(policy, { ...draft, edits: others }, path);
  return { ...draft, edits: text === before ? others : { ...others, [path]: text } };
}

export interface Applied {
  policy: Policy;
  /** Paths at which what was typed is no number. */
  wrong: string[];
}

/** The policy that the form describes. */
export function applied(policy: Policy, draft: Draft): Applied {
  const result = structuredClone(policy);
  const wrong: string[] = [];
  for (const name of draft.added) result.plans[name] = { ...NEW_PLAN };
  for (const name of draft.removed) Reflect.deleteProperty(result.plans, name);
  for (const [path, text] of Object.entries(draft.edits)) {
    const way = steps(path);
    const last = way.pop()!;
    let holder: Tree | undefined = result;
    for (const step of way) holder = holder?.[step] as Tree | undefined;
    if (holder === undefined) continue; // of a plan that goes, or that somebody removed
    const scale = scaleOf(path);
    const value = scale === undefined ? text : asStored(text, scale);
    if (value === null) wrong.push(path);
    else holder[last] = value;
  }
  return { policy: result, wrong };
}

/** The draft that turns the policy in force into `wanted`. */
export function towards(policy: Policy, wanted: Policy): Draft {
  const names = (one: Policy) => Object.keys(one.plans);
  const added = names(wanted).filter((name) => policy.plans[name] === undefined);
  const removed = names(policy).filter((name) => wanted.plans[name] === undefined);
  let draft: Draft = { edits: {}, added, removed };
  for (const path of leaves(wanted)) {
    draft = typed(policy, draft, path, shown(wanted, noDraft, path));
  }
  return draft;
}

/** The same changes on top of a newer policy, as far as they still are changes. */
export function rebased(newer: Policy, draft: Draft): Draft {
  const start: Draft = {
    edits: {},
    added: draft.added.filter((name) => newer.plans[name] === undefined),
    removed: draft.removed.filter((name) => newer.plans[name] !== undefined),
  };
  return Object.entries(draft.edits).reduce((next, [path, text]) => typed(newer, next, path, text), start);
}

/** Every path of a policy that has a number or a word. */
function leaves(policy: Policy): string[] {
  const found: string[] = [];
  const walk = (value: unknown, path: string) => {
    if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, path === "" ? key : `${path}.${key}`);
    else if (typeof value === "number" || typeof value === "string") found.push(path);
  };
  walk(policy, "");
  return found;
}

export function numChanges(draft: Draft): number {
  return Object.keys(draft.edits).length + draft.added.length + draft.removed.length;
}

/** The field or group that a refused `param` belongs to: the longest of `anchors` that begins it. */
export function anchorOf(param: string | null, anchors: readonly string[]): string | null {
  if (param === null) return null;
  const fits = anchors.filter((each) => param === each || param.startsWith(`${each}.`));
  return fits.sort((a, b) => b.length - a.length)[0] ?? null;
}
