import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, type Params } from "../../api/client";
import type { Pictures } from "../../api/types";
import { type Filters, queryOf } from "./filters";

const PAGE = 60;

/** The pictures of the gallery, page after page; its key lets events refresh it as all lists of pictures. */
export function usePages(filters: Filters) {
  const query = queryOf(filters);
  const pages = useInfiniteQuery({
    queryKey: ["pictures", "pages", query],
    queryFn: ({ pageParam, signal }) =>
      api.get<Pictures>("/pictures", { ...query, limit: PAGE, before: pageParam } as Params, signal),
    initialPageParam: null as number | null,
    getNextPageParam: ({ pictures }) => (pictures.length < PAGE ? undefined : pictures.at(-1)?.id),
    placeholderData: keepPreviousData,
  });
  const pictures = useMemo(() => pages.data?.pages.flatMap((page) => page.pictures) ?? [], [pages.data]);
  return { ...pages, pictures, total: pages.data?.pages[0]?.total ?? 0 };
}
