import { ActionIcon, Button, FileButton, Group, Loader, Stack, Text, Textarea } from "@mantine/core";
import { IconPhotoPlus, IconTrash } from "@tabler/icons-react";
import { useState, type DragEvent } from "react";
import { useTranslation } from "react-i18next";
import { ROOT } from "../../api/client";
import { notifyError } from "../../components/notify";
import { type DatasetPicture, pictureOf, useAddPicture, useCaption, useDataset, useRemovePicture } from "./datasets";
import { Findings } from "./Findings";
import classes from "./Train.module.css";

/** The pictures of a data set with their captions. */
export function DatasetView({ name }: { name: string }) {
  const { t } = useTranslation("train");
  const { data: set } = useDataset(name);
  const add = useAddPicture();
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);

  const take = async (files: File[]) => {
    setBusy(true);
    for (const file of files.filter(({ type }) => type.startsWith("image/")))
      await add.mutateAsync({ name, file }).catch(notifyError);
    setBusy(false);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    void take([...event.dataTransfer.files]);
  };

  if (!set) return <Loader size="sm" aria-label={t("loading")} />;
  return (
    <Stack
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
      <Group gap="sm">
        <FileButton onChange={take} accept="image/*" multiple>
          {(props) => (
            <Button {...props} variant="light" leftSection={<IconPhotoPlus size={18} aria-hidden />} loading={busy}>
              {t("data.add")}
            </Button>
          )}
        </FileButton>
        <Text size="sm" c="dimmed">
          {set.pictures.length ? t("data.count", { count: set.pictures.length }) : t("data.dropHere")}
        </Text>
      </Group>
      {set.pictures.length > 0 && <Findings name={name} />}
      <ul className={classes.pictures}>
        {set.pictures.map((picture) => (
          <PictureCard key={picture.file} name={name} picture={picture} />
        ))}
      </ul>
    </Stack>
  );
}

function PictureCard({ name, picture }: { name: string; picture: DatasetPicture }) {
  const { t } = useTranslation("train");
  const { file } = picture;
  const [text, setText] = useState(picture.caption);
  const caption = useCaption();
  const remove = useRemovePicture();
  const save = () => {
    if (text.trim() !== picture.caption) caption.mutate({ name, file, caption: text.trim() }, { onError: notifyError });
  };
  return (
    <li className={classes.card}>
      <div className={classes.picture}>
        <img src={`${ROOT}${pictureOf(name, file)}`} alt={picture.caption || file} loading="lazy" />
        <ActionIcon
          className={classes.remove}
          variant="filled"
          color="dark"
          aria-label={t("data.remove", { file })}
          onClick={() => remove.mutate({ name, file }, { onError: notifyError })}
        >
          <IconTrash size={16} aria-hidden />
        </ActionIcon>
      </div>
      <Text size="xs" c="dimmed" truncate title={file}>
        {`${file} · ${picture.width} × ${picture.height}`}
      </Text>
      <Textarea
        size="xs"
        autosize
        minRows={2}
        maxRows={6}
        aria-label={t("data.caption", { file })}
        placeholder={t("data.captionPlaceholder")}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={save}
      />
    </li>
  );
}
