import { Alert, Button, Code, Group, List, Stack, Text } from "@mantine/core";
import { IconFileImport } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { PictureInfo } from "../../api/types";
import { inWords } from "../../api/words";
import { CopyableText } from "../../viewer/CopyableText";
import { Rows } from "../../viewer/Rows";
import { useSend } from "../../viewer/send";
import { useRows } from "../../viewer/useRows";
import classes from "./PictureInfo.module.css";

/** What a picture or a text tells, and what of it can be painted here. */
export function Found({ found }: { found: PictureInfo }) {
  const { t } = useTranslation("info");
  const send = useSend();
  const { main: ours } = useRows(found.request);
  const { request } = found;
  const written = Object.entries(found.fields).map(([name, value]) => ({
    key: name,
    label: name,
    value: typeof value === "string" ? value : JSON.stringify(value),
  }));

  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Text fw={600}>{found.program || t("unknown")}</Text>
        {request && (
          <Button leftSection={<IconFileImport size={18} aria-hidden />} onClick={() => send.settings(request)}>
            {t("load")}
          </Button>
        )}
      </Group>
      {!request && <Text size="sm">{t("silent")}</Text>}
      {found.warnings.length > 0 && (
        <Alert color="yellow" title={t("warnings")} styles={{ title: { color: "var(--mantine-color-text)" } }}>
          <List size="sm">
            {found.warnings.map((warning) => (
              <List.Item key={warning}>{inWords(warning)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <CopyableText label={t("viewer:prompt")} text={found.prompt} />
      <CopyableText label={t("viewer:negative")} text={found.negative_prompt} />
      {ours.length > 0 && (
        <section>
          <Text component="h3" size="sm" fw={600} mb="xs">
            {t("ours")}
          </Text>
          <Rows rows={ours} />
        </section>
      )}
      {written.length > 0 && (
        <details className={classes.more} open={!request}>
          <summary>{t("written")}</summary>
          <Rows rows={written} />
        </details>
      )}
      {found.raw && (
        <details className={classes.more}>
          <summary>{t("raw")}</summary>
          <Code block className={classes.raw}>
            {found.raw}
          </Code>
        </details>
      )}
    </Stack>
  );
}
