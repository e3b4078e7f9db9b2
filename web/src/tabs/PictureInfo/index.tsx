import { Alert, Button, FileButton, Loader, Stack, Text, Textarea, Title } from "@mantine/core";
import { IconPhotoSearch } from "@tabler/icons-react";
import { type DragEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { sourceUrl } from "../../api/client";
import { explain } from "../../components/notify";
import { FilePicture } from "../../drop/FilePicture";
import { useInfo } from "../../drop/info";
import { useNavigation } from "../../state/navigation";
import { Found } from "./Found";
import classes from "./PictureInfo.module.css";

/** How a picture of any program was made, as it tells itself, or as a pasted text tells it. */
export default function PictureInfo() {
  const { t } = useTranslation("info");
  const picture = useNavigation(({ params }) => params.picture);
  const { asked, found, error, ask } = useInfo();

  useEffect(() => {
    if (picture) void ask({ picture });
  }, [picture, ask]);

  return (
    <div className={classes.page}>
      <Title order={1} className={classes.title}>
        {t("title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("about")}
      </Text>
      <div className={classes.columns}>
        <Stack gap="md">
          <PicturePlace />
          <PastedText />
        </Stack>
        <section aria-live="polite" aria-label={t("result")}>
          {asked && !found && !error && <Loader aria-label={t("reading")} />}
          {error !== null && <Alert color="red">{explain(error)}</Alert>}
          {found && <Found found={found} />}
          {!asked && (
            <Text size="sm" c="dimmed">
              {t("nothing")}
            </Text>
          )}
        </section>
      </div>
    </div>
  );
}

/** The picture that is asked about, and where another one is dropped or chosen. */
function PicturePlace() {
  const { t } = useTranslation("info");
  const { asked, ask } = useInfo();
  const [over, setOver] = useState(false);
  const take = (file: File | null | undefined) => {
    if (file) void ask({ file });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    take(event.dataTransfer.files[0]);
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
      {asked && "file" in asked && <FilePicture file={asked.file} className={classes.picture} />}
      {asked && "picture" in asked && (
        <img src={sourceUrl(asked.picture)} alt={t("drop.picture")} className={classes.picture} />
      )}
      <FileButton onChange={take} accept="image/*">
        {(props) => (
          <Button {...props} variant="light" leftSection={<IconPhotoSearch size={18} aria-hidden />}>
            {t("choose")}
          </Button>
        )}
      </FileButton>
      <Text size="xs" c="dimmed">
        {t("dropHere")}
      </Text>
    </div>
  );
}

function PastedText() {
  const { t } = useTranslation("info");
  const { asked, ask, clear } = useInfo();
  const [text, setText] = useState(asked && "text" in asked ? asked.text : "");
  const change = (value: string) => {
    setText(value);
    if (value.trim()) void ask({ text: value });
    else clear();
  };
  return (
    <Textarea
      label={t("text")}
      description={t("textHelp")}
      placeholder={t("example")}
      autosize
      minRows={4}
      maxRows={14}
      data-plain-paste
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onPaste={(event) => {
        // Pasted, it is whole and can be read at once; typed, it is read when the field is left.
        const field = event.currentTarget;
        setTimeout(() => change(field.value));
      }}
      onBlur={() => {
        if (text !== (asked && "text" in asked ? asked.text : "")) change(text);
      }}
    />
  );
}
