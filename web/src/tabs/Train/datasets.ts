// Data sets as the server has them.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";

export interface DatasetPicture {
  file: string;
  width: number;
  height: number;
  caption: string;
}

export interface Dataset {
  name: string;
  pictures: DatasetPicture[];
}

export interface Finding {
  level: "info" | "note" | "warning" | "error";
  text: string;
  files: string[];
}

export const pathOf = (name: string) => `/datasets/${encodeURIComponent(name)}`;
export const pictureOf = (name: string, file: string) => `${pathOf(name)}/file/${encodeURIComponent(file)}`;

export const useDatasets = () =>
  useQuery({
    queryKey: ["datasets"],
    queryFn: ({ signal }) => api.get<{ datasets: string[] }>("/datasets", undefined, signal),
    select: (data) => data.datasets,
  });

export const useDataset = (name: string | null) =>
  useQuery({
    queryKey: ["dataset", name],
    queryFn: ({ signal }) => api.get<Dataset>(pathOf(name ?? ""), undefined, signal),
    enabled: name !== null,
  });

/** What is wrong with a data set for pictures of that side; asked anew when it has changed. */
export const useFindings = (name: string, resolution: number) =>
  useQuery({
    queryKey: ["dataset", name, "lint", resolution],
    queryFn: ({ signal }) => api.get<{ findings: Finding[] }>(`${pathOf(name)}/lint`, { resolution }, signal),
    select: (data) => data.findings,
    retry: false,
    placeholderData: (before) => before,
  });

/** A mutation after which the sets are asked for again. */
function useChange<V>(act: (asked: V) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["datasets"] });
      void queries.invalidateQueries({ queryKey: ["dataset"] });
    },
  });
}

export const useCreateDataset = () => useChange((name: string) => api.post<Dataset>("/datasets", { name }));
export const useDeleteDataset = () => useChange((name: string) => api.delete<undefined>(pathOf(name)));
export const useAddPicture = () =>
  useChange(({ name, file }: { name: string; file: File }) => {
    const form = new FormData();
    form.append("file", file, file.name);
    return api.form(`${pathOf(name)}/pictures`, form);
  });
export const useCaption = () =>
  useChange(({ name, file, caption }: { name: string; file: string; caption: string }) =>
    api.patch<undefined>(`${pathOf(name)}/pictures/${encodeURIComponent(file)}`, { caption }),
  );
export const useRemovePicture = () =>
  useChange(({ name, file }: { name: string; file: string }) =>
    api.delete<undefined>(`${pathOf(name)}/pictures/${encodeURIComponent(file)}`),
  );
