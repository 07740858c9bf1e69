/** One place for the names under which the page keeps things in this browser. */
const PREFIX = "fireside.";

/** Text kept in this browser, or null. Storage that is forbidden or full is a loss of comfort, never an error. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** Keep text in this browser; null forgets it. Says whether it worked. */
export function remember(key: string, value: string | null): boolean {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
    return true;
  } catch {
    return false;
  }
}

/** Forget everything whose key begins with `prefix`; signing out uses it for drafts. */
export function forgetAll(prefix: string): void {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX + prefix)) localStorage.removeItem(key);
    }
  } catch {
    /* nothing was kept */
  }
}
