import { ActionIcon, Button, FileButton, Group, Loader, Text } from "@mantine/core";
import { IconPhoto, IconPhotoPlus, IconX } from "@tabler/icons-react";
import { useState, type DragEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, sourceUrl, thumbnailUrl } from "../../api/client";
import type { PictureSource } from "../../api/types";
import { GalleryPick } from "../../canvas/GalleryPick";
import { notifyError } from "../../components/notify";
import classes from "./Extras.module.css";
import { useExtras } from "./form";

/** The pictures that are worked on: dropped, chosen from the disk or from the gallery. */
export function Pictures() {
  const { t } = useTranslation("extras");
  const images = useExtras(({ form }) => form.images);
  const [busy, setBusy] = useState(0);
  const [over, setOver] = useState(false);
  const [picking, setPicking] = useState(false);

  const add = async (files: File[]) => {
    const pictures = files.filter((file) => file.type.startsWith("image/"));
    setBusy((count) => count + pictures.length);
    for (const file of pictures) {
      try {
        addImage(`upload:${(await api.upload(file)).id}`);
      } catch (error) {
        notifyError(error);
      } finally {
        setBusy((count) => count - 1);
      }
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    void add([...event.dataTransfer.files]);
  };

  return (
    <div
      className={classes.place}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {images.length > 0 && (
        <ul className={classes.pictures} aria-label={t("pictures")}>
          {images.map((image, index) => (
            <Thumb key={image} image={image} number={index + 1} />
          ))}
        </ul>
      )}
      <Group gap="xs" justify="center">
        <FileButton onChange={add} accept="image/*" multiple>
          {(props) => (
            <Button {...props} variant="light" size="compact-sm" leftSection={<IconPhotoPlus size={16} aria-hidden />}>
              {t("choose")}
            </Button>
          )}
        </FileButton>
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPhoto size={16} aria-hidden />}
          onClick={() => setPicking(true)}
        >
          {t("fromGallery")}
        </Button>
        {images.length > 1 && (
          <Button variant="subtle" color="gray" size="compact-sm" onClick={() => useExtras.getState().set({ images: [] })}>
            {t("removeAll")}
          </Button>
        )}
        {busy > 0 && <Loader size="xs" aria-label={t("uploading")} />}
      </Group>
      <Text size="xs" c="dimmed" ta="center" mt={4}>
        {images.length ? t("count", { count: images.length }) : t("dropHere")}
      </Text>
      <GalleryPick opened={picking} onClose={() => setPicking(false)} onPick={addImage} />
    </div>
  );
}

function Thumb({ image, number }: { image: PictureSource; number: number }) {
  const { t } = useTranslation("extras");
  const src = image.startsWith("picture:") ? thumbnailUrl(Number(image.slice("picture:".length))) : sourceUrl(image);
  return (
    <li className={classes.picture}>
      <img src={src} alt={t("pictureNumber", { number })} />
      <ActionIcon
        className={classes.remove}
        variant="filled"
        color="dark"
        size="sm"
        aria-label={t("removeNumber", { number })}
        onClick={() => {
          const { form, set } = useExtras.getState();
          set({ images: form.images.filter((other) => other !== image) });
        }}
      >
        <IconX size={14} aria-hidden />
      </ActionIcon>
    </li>
  );
}

/** Another picture behind the others; each is there once. */
export function addImage(image: PictureSource): void {
  const { form, set } = useExtras.getState();
  if (!form.images.includes(image)) set({ images: [...form.images, image] });
}
