import { ActionIcon, Group, Text, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { notify } from "../components/notify";
import { toClipboard } from "./CopyMenu";
import classes from "./Viewer.module.css";

/** A text with its name and a button that copies it. */
export function CopyableText({ label, text }: { label: string; text: string }) {
  const { t } = useTranslation("viewer");
  const [copied, setCopied] = useState(false);
  if (!text) return null;
  const copy = async () => {
    const worked = await toClipboard(text);
    if (!worked) return notify(t("copyFailed"));
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <section>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text component="h3" size="sm" fw={600}>
          {label}
        </Text>
        <Tooltip label={t(copied ? "common:copied" : "common:copy")}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`${t("common:copy")}: ${label}`}
            onClick={() => void copy()}
          >
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      </Group>
      <Text size="sm" className={classes.text}>
        {text}
      </Text>
    </section>
  );
}
