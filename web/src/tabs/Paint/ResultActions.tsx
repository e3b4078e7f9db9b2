import { ActionIcon, Group, Tooltip } from "@mantine/core";
import {
  IconArrowsMaximize, IconDownload, IconFileImport, IconMask, IconMaximize, IconPhotoEdit, IconSeedling, type Icon,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { pictureUrl } from "../../api/client";
import { useWhole } from "../../api/queries";
import type { Picture } from "../../api/types";
import { CopyMenu } from "../../viewer/CopyMenu";
import { useSend } from "../../viewer/send";

interface Action {
  name: string;
  icon: Icon;
  act: () => void;
}

/** Where a result goes on from here. */
export function ResultActions({ picture: told, onOpen }: { picture: Picture; onOpen: () => void }) {
  const { t } = useTranslation("paint");
  const send = useSend();
  const picture = useWhole(told);
  const source = `picture:${picture.id}`;
  const { request, seed } = picture;
  const actions: Action[] = [
    { name: "openViewer", icon: IconMaximize, act: onOpen },
    { name: "toImg2img", icon: IconPhotoEdit, act: () => send.start(source, "img2img") },
    { name: "toInpaint", icon: IconMask, act: () => send.start(source, "inpaint") },
    { name: "toExtras", icon: IconArrowsMaximize, act: () => send.extras(source) },
  ];
  if (seed !== null) actions.push({ name: "reuseSeedOf", icon: IconSeedling, act: () => send.seed(seed) });
  if (request) actions.push({ name: "reuseAll", icon: IconFileImport, act: () => send.settings(request) });
  return (
    <Group gap={4} justify="center" role="toolbar" aria-label={t("actions")}>
      {actions.map(({ name, icon: Symbol, act }) => (
        <Tooltip key={name} label={t(name)}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t(name)} onClick={act}>
            <Symbol size={20} stroke={1.6} aria-hidden />
          </ActionIcon>
        </Tooltip>
      ))}
      <CopyMenu picture={picture} />
      <Tooltip label={t("download")}>
        <ActionIcon
          component="a"
          href={pictureUrl(picture.id, true)}
          download={picture.filename.split("/").at(-1)}
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t("download")}
        >
          <IconDownload size={20} stroke={1.6} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
