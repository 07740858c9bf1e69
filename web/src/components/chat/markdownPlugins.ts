/** What a reply's Markdown may become. Raw HTML is parsed, sanitised, then links and images are hardened. */
import { remarkBreaks } from "@/components/chat/breaks";
import { harden } from "rehype-harden";
import { defaultRehypePlugins, defaultRemarkPlugins, type StreamdownProps } from "streamdown";

type Plugins = NonNullable<StreamdownProps["rehypePlugins"]>;

export interface MathPlugins {
  remark: Plugins[number];
  rehype: Plugins[number];
}

const here = globalThis.location.origin;

// No address but our own is ever fetched: a picture elsewhere would tell that it was seen.
const hardening: Plugins[number] = [
  harden,
  {
    defaultOrigin: here,
    allowedImagePrefixes: [`${here}/files/`],
    allowedLinkPrefixes: ["*"],
    allowedProtocols: ["mailto:"],
    allowDataImages: false,
    linkBlockPolicy: "text-only",
    imageBlockPolicy: "text-only",
  },
];

/** The rehype plugins; formulas come after the sanitiser, which would strip them, and run without trust. */
export function hardened(math: MathPlugins | null): Plugins {
  const base = [defaultRehypePlugins["raw"]!, defaultRehypePlugins["sanitize"]!, hardening];
  return math === null ? base : [...base, math.rehype];
}

export function remarks(math: MathPlugins | null): Plugins {
  const base = [...Object.values(defaultRemarkPlugins), remarkBreaks as Plugins[number]];
  return math === null ? base : [...base, math.remark];
}
