import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconBrush,
  IconDice3,
  IconDownload,
  IconFileImport,
  IconInfoCircle,
  IconMask,
  IconPhotoEdit,
  IconRoute,
  IconTrash,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Picture } from "../api/types";
import { downloadPicture } from "./pictures";
import { useSend } from "./send";

/** Where a picture goes on from here. */
export function SendMenu({ picture, onDelete }: { picture: Picture; onDelete: () => void }) {
  const { t } = useTranslation("viewer");
  const send = useSend();
  const source = `picture:${picture.id}`;
  const { request, seed } = picture;
  return (
    <Menu position="bottom-end" zIndex={400} withinPortal>
      <Menu.Target>
        <Tooltip label={t("send.title")}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("send.title")}>
            <IconBrush size={20} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {request && (
          <Menu.Item leftSection={<IconFileImport size={16} />} onClick={() => send.settings(request)}>
            {t("send.all")}
          </Menu.Item>
        )}
        {seed !== null && (
          <Menu.Item leftSection={<IconDice3 size={16} />} onClick={() => send.seed(seed)}>
            {t("send.seed")}
          </Menu.Item>
        )}
        <Menu.Divider />
        <Menu.Item leftSection={<IconPhotoEdit size={16} />} onClick={() => send.start(source, "img2img")}>
          {t("send.img2img")}
        </Menu.Item>
        <Menu.Item leftSection={<IconMask size={16} />} onClick={() => send.start(source, "inpaint")}>
          {t("send.inpaint")}
        </Menu.Item>
        <Menu.Item leftSection={<IconArrowsMaximize size={16} />} onClick={() => send.extras(source)}>
          {t("send.extras")}
        </Menu.Item>
        <Menu.Item leftSection={<IconRoute size={16} />} onClick={() => send.control(source)}>
          {t("send.control")}
        </Menu.Item>
        <Menu.Item leftSection={<IconInfoCircle size={16} />} onClick={() => send.info(source)}>
          {t("send.info")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => downloadPicture(picture)}>
          {t("download")}
        </Menu.Item>
        <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={onDelete}>
          {t("common:delete")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
