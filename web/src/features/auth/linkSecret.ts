/** The secret in a link such as /reset#token=…; what follows # is never sent to a server. */
export function linkSecret(name: string, hash: string = location.hash): string | null {
  const secret = new URLSearchParams(hash.replace(/^#/, "")).get(name);
  return secret === "" ? null : secret;
}
