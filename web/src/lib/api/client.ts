/** Why a call failed, in words a person can act on. `status` 0: the server was not reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string = "",
    readonly param: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }

  /** Trying the same call again later may work. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

export interface CallOptions {
  signal?: AbortSignal;
  query?: Record<string, string | number | boolean | null | undefined>;
  /** Past what the browser keeps: something was just changed. */
  fresh?: boolean;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let onSignedOut: () => void = () => undefined;

/** What to do when a call is refused because the login session has ended. */
export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

/** `path` with its query; parameters that are null or undefined are left out. */
export function address(path: string, query: CallOptions["query"] = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) params.set(key, String(value));
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The ApiError that a refused response carries. */
export async function errorOf(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("retry-after") ?? "");
  const retryAfterS = Number.isFinite(wait) && wait > 0 ? wait : null;
  try {
    const { error } = (await response.json()) as { error: Record<string, string | null | undefined> };
    return new ApiError(
      response.status,
      error["code"] ?? "unknown",
      error["message"] ?? "",
      error["hint"] ?? "",
      error["param"] ?? null,
      retryAfterS,
    );
  } catch {
    return new ApiError(response.status, "unreadable_error", "", "", null, retryAfterS);
  }
}

/** Send a request; any status but 2xx becomes an ApiError. */
export async function send(method: Method, path: string, init: RequestInit, options: CallOptions = {}) {
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      ...init,
      method,
      credentials: "same-origin",
      signal: options.signal ?? null,
      ...(options.fresh === true ? { cache: "no-store" } : {}),
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok) return response;
  const error = await errorOf(response);
  if (response.status === 401 && !path.startsWith("/api/auth/")) onSignedOut();
  throw error;
}

async function call<T>(method: Method, path: string, body: unknown, options?: CallOptions): Promise<T> {
  const init: RequestInit = { headers: { accept: "application/json" } };
  if (body !== undefined) {
    init.headers = { accept: "application/json", "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await send(method, path, init, options);
  const text = response.status === 204 ? "" : await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** JSON calls to our own server. A feature's api.ts wraps these; components never call them. */
export const api = {
  get: <T>(path: string, options?: CallOptions) => call<T>("GET", path, undefined, options),
  post: <T>(path: string, body?: unknown, options?: CallOptions) => call<T>("POST", path, body, options),
  put: <T>(path: string, body?: unknown, options?: CallOptions) => call<T>("PUT", path, body, options),
  patch: <T>(path: string, body?: unknown, options?: CallOptions) => call<T>("PATCH", path, body, options),
  delete: <T = void>(path: string, body?: unknown, options?: CallOptions) =>
    call<T>("DELETE", path, body, options),
};
