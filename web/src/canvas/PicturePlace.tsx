import { Button, Group, Stack } from "@mantine/core";
import { IconPhoto, IconPhotoEdit } from "@tabler/icons-react";
import { type ClipboardEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import type { PictureSource } from "../api/types";
import { DropPicture } from "../components/DropPicture";
import { notifyError } from "../components/notify";
import { GalleryPick } from "./GalleryPick";

interface Props {
  value: PictureSource | null;
  onChange: (picture: PictureSource | null) => void;
  /** The picture that painting starts from, where it may be taken here too. */
  start?: PictureSource | null;
  label?: string;
  height?: number;
}

/** A place for a picture: dropped, pasted, from the disk, from the gallery, or the one painting starts from. */
export function PicturePlace({ value, onChange, start, label, height }: Props) {
  const { t } = useTranslation("canvas");
  const [picking, setPicking] = useState(false);
  return (
    <Stack gap="xs" onPaste={(event) => void pastePicture(event, onChange)}>
      <DropPicture value={value} onChange={onChange} label={label} height={height} />
      <Group gap="xs" justify="center">
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPhoto size={16} aria-hidden />}
          onClick={() => setPicking(true)}
        >
          {t("pick.open")}
        </Button>
        {start && start !== value && (
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPhotoEdit size={16} aria-hidden />}
            onClick={() => onChange(start)}
          >
            {t("pick.start")}
          </Button>
        )}
      </Group>
      <GalleryPick opened={picking} onClose={() => setPicking(false)} onPick={onChange} />
    </Stack>
  );
}

/** Take a picture from the clipboard, where there is one; other text is left to those it was meant for. */
export async function pastePicture(event: ClipboardEvent, take: (picture: PictureSource) => void): Promise<void> {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  try {
    take(`upload:${(await api.upload(file)).id}`);
  } catch (error) {
    notifyError(error);
  }
}
