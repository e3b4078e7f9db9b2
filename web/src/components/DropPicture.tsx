import { Button, FileButton, Group, Image, Loader, Stack, Text } from "@mantine/core";
import { IconPhotoPlus, IconX } from "@tabler/icons-react";
import { useState, type DragEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, sourceUrl } from "../api/client";
import type { PictureSource } from "../api/types";
import classes from "./DropPicture.module.css";
import { notifyError } from "./notify";

interface Props {
  /** The picture's name in a request, or null for none yet. */
  value: PictureSource | null;
  onChange: (value: PictureSource | null) => void;
  label?: string;
  height?: number;
}

/** A place for one picture: dropped, or chosen from the disk, it is uploaded and becomes "upload:ID". */
export function DropPicture({ value, onChange, label, height = 160 }: Props) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);

  const take = async (file: File | null | undefined) => {
    if (!file) return;
    setBusy(true);
    try {
      onChange(`upload:${(await api.upload(file)).id}`);
    } catch (error) {
      notifyError(error);
    } finally {
      setBusy(false);
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    void take([...event.dataTransfer.files].find((file) => file.type.startsWith("image/")));
  };

  return (
    <Stack
      className={classes.place}
      data-over={over || undefined}
      mih={height}
      gap="xs"
      align="center"
      justify="center"
      onDragOver={(event) => (event.preventDefault(), event.stopPropagation(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {value && <Image src={sourceUrl(value)} alt={label ?? t("picture")} mah={height} w="auto" fit="contain" />}
      {busy && <Loader size="sm" />}
      <Group gap="xs" justify="center">
        <FileButton onChange={take} accept="image/*">
          {(props) => (
            <Button {...props} variant="subtle" size="compact-sm" leftSection={<IconPhotoPlus size={16} aria-hidden />}>
              {value ? t("replacePicture") : t("choosePicture")}
            </Button>
          )}
        </FileButton>
        {value && (
          <Button
            variant="subtle"
            color="gray"
            size="compact-sm"
            leftSection={<IconX size={16} aria-hidden />}
            onClick={() => onChange(null)}
          >
            {t("remove")}
          </Button>
        )}
      </Group>
      {!value && (
        <Text size="xs" c="dimmed">
          {label ?? t("dropHere")}
        </Text>
      )}
    </Stack>
  );
}
