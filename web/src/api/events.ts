// One stream of events a page. It feeds the query cache, and holds what is too quick for it: progress and previews.

import type { QueryClient } from "@tanstack/react-query";
import { create } from "zustand";
import { address, isUnreachable, parse } from "./client";
import type { Job, Jobs, Picture, Progress, Settings } from "./types";

export interface PreviewNews {
  job: string;
  picture: number;
  step: number;
  url: string;
}

interface Live {
  connected: boolean;
  progress: Record<string, Progress>;
  previews: Record<string, PreviewNews>;
}

const useLive = create<Live>(() => ({ connected: false, progress: {}, previews: {} }));

export const useConnected = () => useLive((live) => live.connected);
/** The newest that was told of a running job; undefined before anything was. */
export const useProgress = (job?: string | null) => useLive((live) => (job ? live.progress[job] : undefined));
export const usePreview = (job?: string | null) => useLive((live) => (job ? live.previews[job] : undefined));

/** How often lists are asked for again at most, in ms: a job of many pictures tells much. */
const CALM = 400;
/** How long the last preview of a job is kept, in ms: until every view has turned to the result. */
const LAST_LOOK = 5000;

/** Listens until the function it returns is called, and again from the last event on where the line broke. */
export function listen(queries: QueryClient): () => void {
  const stale = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = (...keys: string[]) => {
    for (const key of keys) stale.add(key);
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const key of stale) void queries.invalidateQueries({ queryKey: [key] });
      stale.clear();
    }, CALM);
  };

  let last = 0;
  let seen = false;
  let source: EventSource;
  let again: ReturnType<typeof setTimeout> | undefined;
  const reopen = () => {
    source.close();
    useLive.setState({ connected: false });
    again ??= setTimeout(open, 3000);
  };

  const on = <T>(type: string, handle: (data: T) => void) =>
    source.addEventListener(type, (event: MessageEvent<string>) => {
      last = Number(event.lastEventId) || last;
      handle(parse<T>(event.data));
    });

  const open = () => {
    again = undefined;
    source = new EventSource(address("/events", last ? { since: last } : {}));
    source.onopen = () => {
      // What was missed while nobody listened is asked for, whatever the server still remembers of it.
      if (seen) refresh("queue", "jobs", "job", "pictures", "models");
      seen = true;
      useLive.setState({ connected: true });
    };
    source.onerror = reopen;
    on<Job>("job", (job) => {
      queries.setQueryData<Job>(["job", job.id], (known) => withRequests(job, known));
      // Lists show it at once; where it stands in them, and what else moved, is asked for.
      queries.setQueriesData<Jobs>({ queryKey: ["jobs"] }, (list) => list && withJob(list, job));
      if (isOver(job)) setTimeout(() => drop(job.id), LAST_LOOK);
      refresh("queue", "jobs");
      if (job.state === "done") refresh("models");
    });
    on<Progress & { job: string }>("progress", ({ job, ...progress }) =>
      useLive.setState((live) => ({ progress: { ...live.progress, [job]: progress } })),
    );
    on<PreviewNews>("preview", (news) =>
      useLive.setState((live) => ({ previews: { ...live.previews, [news.job]: news } })),
    );
    on<Picture>("picture", (picture) => {
      queries.setQueryData<Job>(["job", picture.job], (job) => job && withPicture(job, picture));
      refresh("pictures", "jobs");
    });
    on<{ paused: boolean }>("queue", () => refresh("queue"));
    on<unknown>("models", () => refresh("models", "system"));
    on<Settings>("settings", (settings) => queries.setQueryData(["settings"], settings));
    on<unknown>("reset", () => {
      last = 0;
      void queries.invalidateQueries();
    });
  };

  open();
  // A stream may hang without an end, such as behind a proxy; what else is asked notices.
  const caches = [queries.getQueryCache(), queries.getMutationCache()].map((cache) =>
    cache.subscribe((event) => {
      if (event.type === "updated" && event.action.type === "error" && isUnreachable(event.action.error)) reopen();
    }),
  );
  return () => {
    for (const leave of caches) leave();
    source.close();
    clearTimeout(timer);
    clearTimeout(again);
  };
}

const isOver = (job: Job) => job.state === "done" || job.state === "failed" || job.state === "cancelled";

/** The job as it is now; its pictures' requests, which events leave out, as they are known. */
function withRequests(job: Job, known: Job | undefined): Job {
  const requests = new Map(known?.pictures.map(({ id, request }) => [id, request]));
  return {
    ...job,
    pictures: job.pictures.map((picture) => ({
      ...picture,
      request: picture.request ?? requests.get(picture.id) ?? null,
    })),
  };
}

/** The list with the job as it is now, where it is in it. Lists that are read page by page only ask anew. */
function withJob(list: Jobs, job: Job): Jobs {
  if (!("jobs" in list)) return list;
  return { ...list, jobs: list.jobs.map((other) => (other.id === job.id ? job : other)) };
}

/** The job with the picture among its own, each once and in order. */
export function withPicture(job: Job, picture: Picture): Job {
  const others = job.pictures.filter((other) => other.id !== picture.id);
  return { ...job, pictures: [...others, picture].sort((a, b) => a.index - b.index || a.id - b.id) };
}

function drop(job: string) {
  useLive.setState(({ progress, previews }) => {
    const { [job]: _progress, ...restProgress } = progress;
    const { [job]: _preview, ...restPreviews } = previews;
    return { progress: restProgress, previews: restPreviews };
  });
}
