import { ActionIcon, FileButton, Menu, Tooltip } from "@mantine/core";
import { IconDots, IconPhoto, IconPhotoPlus, IconTrash } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import type { PictureSource } from "../api/types";
import { notifyError } from "../components/notify";
import { GalleryPick } from "./GalleryPick";

/** Another picture in place of this one, or none. */
export function PictureMenu({ onChange }: { onChange: (picture: PictureSource | null) => void }) {
  const { t } = useTranslation("canvas");
  const [picking, setPicking] = useState(false);
  const choose = useRef<() => void>(null);
  const upload = (file: File | null) => {
    if (file) api.upload(file).then(({ id }) => onChange(`upload:${id}`), notifyError);
  };
  return (
    <>
      {/* Outside the menu, which is gone by the time a file was chosen */}
      <FileButton onChange={upload} accept="image/*">
        {({ onClick }) => {
          choose.current = onClick;
          return null;
        }}
      </FileButton>
      <Menu position="bottom-end">
        <Menu.Target>
          <Tooltip label={t("menu.label")} withArrow openDelay={300}>
            <ActionIcon variant="subtle" color="gray" size={34} aria-label={t("menu.label")}>
              <IconDots size={19} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPhotoPlus size={16} aria-hidden />} onClick={() => choose.current?.()}>
            {t("menu.replace")}
          </Menu.Item>
          <Menu.Item leftSection={<IconPhoto size={16} aria-hidden />} onClick={() => setPicking(true)}>
            {t("pick.open")}
          </Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} aria-hidden />} color="red" onClick={() => onChange(null)}>
            {t("menu.remove")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <GalleryPick opened={picking} onClose={() => setPicking(false)} onPick={onChange} />
    </>
  );
}
