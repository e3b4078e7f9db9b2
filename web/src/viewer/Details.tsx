import { List, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Picture } from "../api/types";
import { inWords } from "../api/words";
import { Again } from "./Again";
import { CopyableText } from "./CopyableText";
import { Rows } from "./Rows";
import { useRows } from "./useRows";
import classes from "./Viewer.module.css";

/** All that is known of a picture: its words, its settings, its file, and whether it can be made again. */
export function Details({ picture }: { picture: Picture }) {
  const { t, i18n } = useTranslation("viewer");
  const rows = useRows(picture.request);
  const created = new Date(picture.created).toLocaleString(i18n.language);
  const file = [
    { key: "file", label: t("file"), value: picture.filename },
    { key: "size", label: t("sizeLabel"), value: t("size", { width: picture.width, height: picture.height }) },
    { key: "created", label: t("created"), value: created },
  ];
  return (
    <aside className={classes.details} aria-label={t("details")} tabIndex={0}>
      <Stack gap="lg">
        <CopyableText label={t("prompt")} text={picture.prompt} />
        <CopyableText label={t("negative")} text={picture.request?.negative_prompt ?? ""} />
        {picture.request ? (
          <section>
            <Text component="h3" size="sm" fw={600} mb="xs">
              {t("settings")}
            </Text>
            <Rows rows={rows.main} />
            {rows.usual.length > 0 && (
              <details className={classes.usual}>
                <summary>{t("usual")}</summary>
                <Rows rows={rows.usual} />
              </details>
            )}
          </section>
        ) : (
          <Text size="sm" c="dimmed">
            {t("unpainted")}
          </Text>
        )}
        {picture.warnings.length > 0 && (
          <section>
            <Text component="h3" size="sm" fw={600} mb="xs">
              {t("notes")}
            </Text>
            <List size="sm">
              {picture.warnings.map((warning) => (
                <List.Item key={warning}>{inWords(warning)}</List.Item>
              ))}
            </List>
          </section>
        )}
        <Rows rows={file} />
        {picture.request && <Again key={picture.id} picture={picture} />}
      </Stack>
    </aside>
  );
}
