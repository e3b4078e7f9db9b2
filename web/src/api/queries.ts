// What the page asks for, cached by react-query under the keys below; events.ts keeps the cache fresh.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { clientId, randomId } from "../state/client";
import { api, ApiError, type Params } from "./client";
import type {
  Choices, Inspection, Job, JobKind, Jobs, JobState, ModelCard, ModelKind, Picture, Pictures, Plan, Queue, Schema,
  Settings, Spec, Style, System,
} from "./types";

/** What changes only when the server starts anew. */
const FIXED = { staleTime: Infinity } as const;

export interface JobFilter {
  state?: JobState;
  kind?: JobKind;
  limit?: number;
  before?: string;
  client?: string;
}

export interface PictureFilter {
  q?: string;
  favourite?: boolean;
  model?: string;
  sampler?: string;
  kind?: string;
  from?: string;
  to?: string;
  order?: "newest" | "oldest";
  limit?: number;
  before?: number;
}

export const useJobs = (filter: JobFilter = {}) =>
  useQuery({ queryKey: ["jobs", filter], queryFn: ({ signal }) => api.get<Jobs>("/jobs", { ...filter }, signal) });

export const useJob = (id: string | null | undefined) =>
  useQuery({
    queryKey: ["job", id],
    queryFn: ({ signal }) => api.get<Job>(`/jobs/${id}`, undefined, signal),
    enabled: Boolean(id),
  });

/** What this browser tab had painted, newest first; as far back as its strip of results goes. */
export const useOwnPaintings = () => useJobs({ client: clientId(), kind: "generate", limit: 60 });

export const useQueue = () =>
  useQuery({ queryKey: ["queue"], queryFn: ({ signal }) => api.get<Queue>("/queue", undefined, signal) });

export const usePictures = (filter: PictureFilter = {}) =>
  useQuery({
    queryKey: ["pictures", filter],
    queryFn: ({ signal }) => api.get<Pictures>("/pictures", { ...filter } as Params, signal),
  });

/** A picture with the request that paints it, which lists of jobs leave out. */
export function useWhole(picture: Picture): Picture {
  const { data } = useQuery({
    queryKey: ["picture", picture.id],
    queryFn: ({ signal }) => api.get<Picture>(`/pictures/${picture.id}`, undefined, signal),
    enabled: picture.request === null,
    ...FIXED,
  });
  return data && picture.request === null ? { ...picture, request: data.request } : picture;
}

export const useModels = (kind?: ModelKind) =>
  useQuery({
    queryKey: ["models", kind ?? "all"],
    queryFn: ({ signal }) => api.get<{ models: ModelCard[] }>("/models", { kind }, signal),
    select: (data) => data.models,
  });

export const useChoices = () =>
  useQuery({
    queryKey: ["choices"],
    queryFn: ({ signal }) => api.get<Choices>("/choices", undefined, signal),
    ...FIXED,
  });

export const useSchema = () =>
  useQuery({
    queryKey: ["schema"],
    queryFn: ({ signal }) => api.get<{ request: Schema; specs: Record<string, Schema> }>("/schema", undefined, signal),
    ...FIXED,
  });

export const useSettings = () =>
  useQuery({ queryKey: ["settings"], queryFn: ({ signal }) => api.get<Settings>("/settings", undefined, signal) });

export const useSystem = () =>
  useQuery({
    queryKey: ["system"],
    queryFn: ({ signal }) => api.get<System>("/system", undefined, signal),
    refetchInterval: 5000,
  });

export const useStyles = () =>
  useQuery({
    queryKey: ["styles"],
    queryFn: ({ signal }) => api.get<{ styles: Style[] }>("/styles", undefined, signal),
    select: (data) => data.styles,
  });

export const useWildcards = () =>
  useQuery({
    queryKey: ["wildcards"],
    queryFn: ({ signal }) => api.get<{ wildcards: string[] }>("/wildcards", undefined, signal),
    select: (data) => data.wildcards,
  });

/** How long `spec` takes and whether it fits; asked anew whenever it changes, so give it debounced. */
export const usePlan = (spec: Spec | null) =>
  useQuery({
    queryKey: ["plan", spec],
    queryFn: ({ signal }) => api.post<Plan>("/plan", spec, signal),
    enabled: spec !== null,
    retry: false,
    placeholderData: (before) => before,
  });

export interface Inspected {
  prompt: string;
  negative_prompt: string;
  model?: string | null;
  dialect?: string;
  steps?: number | null;
}

/** How the model reads the prompts; give them debounced. */
export const useInspection = (prompts: Inspected) =>
  useQuery({
    queryKey: ["inspection", prompts],
    queryFn: ({ signal }) => api.post<Inspection>("/prompts/inspect", prompts, signal),
    retry: false,
    placeholderData: (before) => before,
  });

export interface Submitted {
  spec: Spec;
  priority?: number;
}

/** Puts a job into the queue. */
export function useSubmit() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ spec, priority }: Submitted) => {
      const body = { ...spec, priority: priority ?? 0, client: clientId() };
      // Under the same key it is the same job, should only the answer have been lost.
      const headers = { "Idempotency-Key": randomId() };
      try {
        return await api.post<Job>("/jobs", body, undefined, headers);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 0) throw error;
        return await api.post<Job>("/jobs", body, undefined, headers);
      }
    },
    onSuccess: (job) => {
      queries.setQueryData(["job", job.id], job);
      void queries.invalidateQueries({ queryKey: ["queue"] });
      void queries.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
}

/** A mutation on a job that answers with it: cancel, retry, hold, release, move. */
function useJobAction<V extends { id: string }>(act: (asked: V) => Promise<Job | undefined>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (job) => {
      if (job?.id) queries.setQueryData(["job", job.id], job);
      void queries.invalidateQueries({ queryKey: ["queue"] });
      void queries.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
}

export const useCancel = () =>
  useJobAction(({ id, picture }: { id: string; picture?: number }) =>
    api.post<Job>(`/jobs/${id}/cancel`, picture === undefined ? {} : { picture }),
  );
export const useRetry = () => useJobAction(({ id }: { id: string }) => api.post<Job>(`/jobs/${id}/retry`));
export const useHold = () => useJobAction(({ id }: { id: string }) => api.post<Job>(`/jobs/${id}/hold`));
export const useRelease = () => useJobAction(({ id }: { id: string }) => api.post<Job>(`/jobs/${id}/release`));
export const useMove = () =>
  useJobAction(({ id, ...place }: { id: string; before?: string | null; last?: boolean }) =>
    api.post<Job>(`/jobs/${id}/move`, place),
  );
export const usePrioritise = () =>
  useJobAction(({ id, priority }: { id: string; priority: number }) => api.patch<Job>(`/jobs/${id}`, { priority }));
export const useForget = () => useJobAction(({ id }: { id: string }) => api.delete<undefined>(`/jobs/${id}`));

export function useQueueAction() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (action: "pause" | "resume" | "clear") => api.post<unknown>(`/queue/${action}`),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["queue"] }),
  });
}

export function useFavourite() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, favourite }: { id: number; favourite: boolean }) =>
      api.patch<Picture>(`/pictures/${id}`, { favourite }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["pictures"] }),
  });
}

export function useDeletePicture() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => api.delete<undefined>(`/pictures/${id}`),
    onSuccess: () => {
      for (const key of ["pictures", "jobs", "job"]) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
}

export function useSaveSettings() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (settings: Partial<Settings>) => api.put<Settings>("/settings", settings),
    onSuccess: (settings) => queries.setQueryData(["settings"], settings),
  });
}
