import { ActionIcon, Menu, Modal, Textarea, Tooltip } from "@mantine/core";
import { IconCopy } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Picture } from "../api/types";
import { notify, notifyError } from "../components/notify";
import { pictureAs, type TextFormat } from "./pictures";

const FORMATS: TextFormat[] = ["cli", "curl", "json", "a1111"];

/** The request of a picture as a text that makes it again elsewhere. */
export function CopyMenu({ picture }: { picture: Picture }) {
  const { t } = useTranslation("viewer");
  const [uncopied, setUncopied] = useState<string | null>(null);
  if (!picture.request) return null;

  const copy = async (format: TextFormat) => {
    try {
      const text = await pictureAs(picture, format);
      if (await toClipboard(text)) notify(t("common:copied"));
      else setUncopied(text);
    } catch (error) {
      notifyError(error);
    }
  };

  return (
    <Menu position="bottom-end" zIndex={400} withinPortal>
      <Menu.Target>
        <Tooltip label={t("as.title")}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("as.title")}>
            <IconCopy size={20} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t("as.title")}</Menu.Label>
        {FORMATS.map((format) => (
          <Menu.Item key={format} onClick={() => void copy(format)}>
            {t(`as.${format}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
      <Modal
        opened={uncopied !== null}
        onClose={() => setUncopied(null)}
        title={t("as.title")}
        closeButtonProps={{ "aria-label": t("common:close") }}
        zIndex={400}
        size="lg"
      >
        <Textarea
          label={t("copyFailed")}
          value={uncopied ?? ""}
          readOnly
          autosize
          maxRows={16}
          data-autofocus
          onFocus={(event) => event.currentTarget.select()}
        />
      </Modal>
    </Menu>
  );
}

/** Whether it could be copied: away from localhost, browsers give the clipboard to pages over https alone. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
