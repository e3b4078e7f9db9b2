import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, pictureUrl } from "../api/client";
import { useDeletePicture, useFavourite } from "../api/queries";
import type { Picture } from "../api/types";
import { notify, notifyError } from "../components/notify";
import { useViewer } from "./state";

/** A function that makes a picture a favourite, or one no longer. */
export function useToggleFavourite(): (picture: Picture) => void {
  const favourite = useFavourite();
  const update = useViewer((state) => state.update);
  return (picture) =>
    favourite.mutate(
      { id: picture.id, favourite: !picture.favourite },
      { onSuccess: () => update({ ...picture, favourite: !picture.favourite }), onError: notifyError },
    );
}

/** Deletes pictures one after another; what could not be deleted stays, and the first reason is told. */
export function useDeletePictures() {
  const { t } = useTranslation("viewer");
  const remove = useDeletePicture();
  const leave = useViewer((state) => state.remove);
  return useMutation({
    mutationFn: async (pictures: Picture[]) => {
      for (const { id } of pictures) {
        await remove.mutateAsync(id);
        leave(id);
      }
      return pictures.length;
    },
    onSuccess: (count) => notify(t("deleted", { count })),
    onError: notifyError,
  });
}

/** Download through a link of its own: the page stays where it is. */
export function download(url: string, filename = ""): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
}

export const downloadPicture = ({ id, filename }: Picture) =>
  download(pictureUrl(id, true), filename.split("/").at(-1));

export type TextFormat = "cli" | "curl" | "json" | "a1111";

export async function pictureAs(picture: Picture, format: TextFormat): Promise<string> {
  return (await api.get<{ text: string }>(`/pictures/${picture.id}/as`, { format })).text;
}
