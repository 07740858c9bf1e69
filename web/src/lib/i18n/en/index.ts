/** The English catalogue: complete, and the source of the typed keys. One file per part of the page. */
import { admin } from "@/lib/i18n/en/admin";
import { auth } from "@/lib/i18n/en/auth";
import { chat } from "@/lib/i18n/en/chat";
import { common } from "@/lib/i18n/en/common";
import { settings } from "@/lib/i18n/en/settings";
import { sidebar } from "@/lib/i18n/en/sidebar";
import { status } from "@/lib/i18n/en/status";

export const en = { common, chat, sidebar, auth, settings, admin, status } as const;
