import type { PictureFilter } from "../../api/queries";

/** What the gallery shows. An empty text means: all. */
export interface Filters {
  q: string;
  favourite: boolean;
  model: string;
  sampler: string;
  kind: string;
  from: string;
  to: string;
  order: "newest" | "oldest";
}

export const ALL: Filters = {
  q: "",
  favourite: false,
  model: "",
  sampler: "",
  kind: "",
  from: "",
  to: "",
  order: "newest",
};

/** As an address says them, such as #/gallery?q=cat. */
export function filtersOf(params: Record<string, string>): Filters {
  const { q = "", model = "", sampler = "", kind = "", from = "", to = "" } = params;
  const order = params.order === "oldest" ? "oldest" : "newest";
  return { q, favourite: params.favourite === "true", model, sampler, kind, from, to, order };
}

/** What the server is asked. */
export function queryOf(filters: Filters): PictureFilter {
  return {
    q: filters.q.trim() || undefined,
    favourite: filters.favourite || undefined,
    model: filters.model || undefined,
    sampler: filters.sampler || undefined,
    kind: filters.kind || undefined,
    from: filters.from || undefined,
    to: filters.to || undefined,
    order: filters.order,
  };
}

/** How many of them are in use, without the words and the order, which can be seen anyway. */
export function countOf({ q: _words, order: _order, favourite: _star, ...filters }: Filters): number {
  return Object.values(filters).filter(Boolean).length;
}
