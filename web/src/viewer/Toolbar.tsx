import { ActionIcon, Group, Text, Tooltip } from "@mantine/core";
import {
  IconColumns2,
  IconDownload,
  IconInfoCircle,
  IconMaximize,
  IconStar,
  IconStarFilled,
  IconTrash,
  IconX,
  IconZoomIn,
  IconZoomOut,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Picture } from "../api/types";
import { CopyMenu } from "./CopyMenu";
import { downloadPicture, useToggleFavourite } from "./pictures";
import { SendMenu } from "./SendMenu";
import { openCompare, useViewer } from "./state";
import type { useZoomPan } from "./useZoomPan";
import classes from "./Viewer.module.css";

interface ToolbarProps {
  picture: Picture;
  position: number;
  count: number;
  zoom: ReturnType<typeof useZoomPan>;
  onDelete: () => void;
}

export function Toolbar({ picture, position, count, zoom, onDelete }: ToolbarProps) {
  const { t } = useTranslation("viewer");
  const { pictures, showDetails, toggleDetails, close } = useViewer();
  const favourite = useToggleFavourite();
  const next = pictures[position + 1] ?? pictures[position - 1];
  return (
    <header className={classes.toolbar}>
      <div className={classes.heading}>
        <Text component="h2" size="sm" fw={600} truncate>
          {picture.prompt || picture.filename}
        </Text>
        <Text size="xs" c="dimmed" aria-live="polite">
          {t("position", { index: position + 1, count })} ·{" "}
          {t("size", { width: picture.width, height: picture.height })}
          <span className={classes.wide}> · {t("zoomLevel", { percent: zoom.percent })}</span>
        </Text>
      </div>
      <Group gap={4} wrap="nowrap" className={classes.wide}>
        <Tool label={t("zoomOut")} shortcut="-" onClick={zoom.zoomOut} icon={<IconZoomOut size={20} />} />
        <Tool label={t("fit")} shortcut="0" onClick={zoom.fit} icon={<IconMaximize size={20} />} />
        <Tool label={t("zoomIn")} shortcut="+" onClick={zoom.zoomIn} icon={<IconZoomIn size={20} />} />
        {next && (
          <Tool label={t("compare")} onClick={() => openCompare(picture, next)} icon={<IconColumns2 size={20} />} />
        )}
        <Tool
          label={t("download")}
          shortcut="D"
          onClick={() => downloadPicture(picture)}
          icon={<IconDownload size={20} />}
        />
      </Group>
      <Group gap={4} wrap="nowrap">
        <Tool
          label={t(picture.favourite ? "unfavourite" : "favourite")}
          shortcut="F"
          pressed={picture.favourite}
          onClick={() => favourite(picture)}
          icon={picture.favourite ? <IconStarFilled size={20} /> : <IconStar size={20} />}
        />
        <CopyMenu picture={picture} />
        <SendMenu picture={picture} onDelete={onDelete} />
        <span className={classes.wide}>
          <Tool label={t("common:delete")} shortcut="Del" onClick={onDelete} icon={<IconTrash size={20} />} />
        </span>
        <Tool
          label={t("details")}
          shortcut="I"
          pressed={showDetails}
          onClick={toggleDetails}
          icon={<IconInfoCircle size={20} />}
        />
        <Tool label={t("common:close")} shortcut="Esc" onClick={close} icon={<IconX size={20} />} />
      </Group>
    </header>
  );
}

interface ToolProps {
  label: string;
  icon: ReactNode;
  shortcut?: string;
  pressed?: boolean;
  onClick: () => void;
}

export function Tool({ label, icon, shortcut, pressed, onClick }: ToolProps) {
  return (
    <Tooltip label={shortcut ? `${label} (${shortcut})` : label}>
      <ActionIcon
        variant={pressed ? "light" : "subtle"}
        color={pressed ? undefined : "gray"}
        size="lg"
        aria-label={label}
        aria-pressed={pressed}
        aria-keyshortcuts={shortcut}
        onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
