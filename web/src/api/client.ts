// The one way from the page to the server. Every failure becomes an ApiError with the server's own line.

import type { PictureSource, Upload } from "./types";

/** Relative to the page, so that a proxy may put it under any prefix. */
export const ROOT = new URL("api/v1", typeof document === "undefined" ? "http://localhost/" : document.baseURI).href;

export type Params = Record<string, string | number | boolean | null | undefined>;

export class ApiError extends Error {
  constructor(
    /** Of HTTP; 0 where the server was not reached. */
    readonly status: number,
    readonly type: string,
    message: string,
    /** The field of the request that is wrong, such as "steps". */
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

/** No answer, or only a proxy's that there is none. */
export const isUnreachable = (error: unknown) =>
  error instanceof ApiError && [0, 502, 504].includes(error.status);

export function address(path: string, params?: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {}))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const text = query.toString();
  return `${ROOT}${path}${text && `?${text}`}`;
}

async function failure(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as {
    error?: { type?: string; message?: string; field?: string | null };
  } | null;
  const error = body?.error;
  return new ApiError(
    response.status,
    error?.type ?? "HTTPError",
    error?.message ?? `${response.status} ${response.statusText}`.trim(),
    error?.field ?? null,
  );
}

async function ask(method: string, path: string, params?: Params, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address(path, params), { method, credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "Unreachable", error instanceof Error ? error.message : String(error));
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** JSON, in which seeds that a number would round become texts of their digits. */
export function parse<T>(text: string): T {
  const exact = text.replace(/("(?:\w+_)?seed": ?)(\d{16,})/g, (found, name: string, digits: string) =>
    Number.isSafeInteger(Number(digits)) ? found : `${name}"${digits}"`,
  );
  return JSON.parse(exact) as T;
}

async function read<T>(response: Response): Promise<T> {
  return response.status === 204 ? (undefined as T) : parse<T>(await response.text());
}

function json(body: unknown, signal?: AbortSignal, headers?: Record<string, string>): RequestInit {
  return { body: JSON.stringify(body ?? {}), headers: { "Content-Type": "application/json", ...headers }, signal };
}

export const api = {
  get: async <T>(path: string, params?: Params, signal?: AbortSignal) =>
    read<T>(await ask("GET", path, params, { signal })),
  post: async <T>(path: string, body?: unknown, signal?: AbortSignal, headers?: Record<string, string>) =>
    read<T>(await ask("POST", path, undefined, json(body, signal, headers))),
  put: async <T>(path: string, body: unknown) => read<T>(await ask("PUT", path, undefined, json(body))),
  patch: async <T>(path: string, body: unknown) => read<T>(await ask("PATCH", path, undefined, json(body))),
  delete: async <T>(path: string) => read<T>(await ask("DELETE", path)),
  /** A multipart form, such as a file with a caption. */
  form: async <T>(path: string, form: FormData) => read<T>(await ask("POST", path, undefined, { body: form })),
  /** What answers with bytes, such as a preprocessor's picture. */
  blob: async (path: string, body: unknown, signal?: AbortSignal) =>
    (await ask("POST", path, undefined, json(body, signal))).blob(),
  upload: async (file: Blob) => {
    const form = new FormData();
    form.append("file", file, file instanceof File ? file.name : "picture.png");
    return api.form<Upload>("/uploads", form);
  },
};

/** Where the browser finds a picture that a request names. */
export function sourceUrl(source: PictureSource): string {
  if (source.startsWith("upload:")) return `${ROOT}/uploads/${source.slice("upload:".length)}`;
  if (source.startsWith("picture:")) return pictureUrl(Number(source.slice("picture:".length)));
  return source;
}

export const pictureUrl = (id: number, download = false) =>
  address(`/pictures/${id}/file`, download ? { download: 1 } : {});
export const thumbnailUrl = (id: number) => `${ROOT}/pictures/${id}/thumbnail`;
export const previewUrl = (job: string, step?: number) => address(`/jobs/${job}/preview`, { step });
