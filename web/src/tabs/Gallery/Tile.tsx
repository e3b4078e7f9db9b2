import { ActionIcon, Checkbox } from "@mantine/core";
import { IconStar, IconStarFilled } from "@tabler/icons-react";
import { type KeyboardEvent, memo, type MouseEvent } from "react";
import { useTranslation } from "react-i18next";
import { thumbnailUrl } from "../../api/client";
import type { Picture } from "../../api/types";
import classes from "./Gallery.module.css";

interface TileProps {
  picture: Picture;
  /** Whether it is the one of the grid that Tab leads to. */
  active: boolean;
  selected: boolean;
  onOpen: (event: MouseEvent) => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onFocus: () => void;
  onSelect: (range: boolean) => void;
  onFavourite: () => void;
}

export const Tile = memo(function Tile(props: TileProps) {
  const { picture, active, selected, onOpen, onKeyDown, onFocus, onSelect, onFavourite } = props;
  const { t } = useTranslation("gallery");
  const name = picture.prompt || picture.filename;
  const tabIndex = active ? 0 : -1;
  return (
    <li className={classes.tile} data-selected={selected || undefined}>
      <button
        type="button"
        className={classes.open}
        data-open
        tabIndex={tabIndex}
        aria-label={name}
        title={name}
        onClick={onOpen}
        onKeyDown={onKeyDown}
        onFocus={onFocus}
      >
        <img src={thumbnailUrl(picture.id)} alt="" loading="lazy" decoding="async" draggable={false} />
      </button>
      <Checkbox
        className={classes.check}
        checked={selected}
        tabIndex={tabIndex}
        aria-label={t("choose", { name })}
        onChange={(event) => onSelect((event.nativeEvent as unknown as { shiftKey?: boolean }).shiftKey === true)}
      />
      <ActionIcon
        className={classes.star}
        data-on={picture.favourite || undefined}
        variant="filled"
        color="dark"
        size="sm"
        tabIndex={tabIndex}
        aria-label={t(picture.favourite ? "viewer:unfavourite" : "viewer:favourite")}
        aria-pressed={picture.favourite}
        onClick={onFavourite}
      >
        {picture.favourite ? <IconStarFilled size={14} /> : <IconStar size={14} />}
      </ActionIcon>
      {picture.role !== "picture" && <span className={classes.role}>{t(`role.${picture.role}`)}</span>}
    </li>
  );
});
