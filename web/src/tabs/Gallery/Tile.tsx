import { ActionIcon, Checkbox } from "@mantine/core";
import { IconStar, IconStarFilled } from "@tabler/icons-react";
import { type KeyboardEvent, memo, type MouseEvent as ReactMouseEvent } from "react";
import { useTranslation } from "react-i18next";
import { thumbnailUrl } from "../../api/client";
import type { Picture } from "../../api/types";
import classes from "./Gallery.module.css";

/** What may happen to a tile. The same object for all and always, so that one change does not draw all tiles anew. */
export interface TileEvents {
  open: (event: ReactMouseEvent, picture: Picture, index: number) => void;
  key: (event: KeyboardEvent) => void;
  focus: (id: number) => void;
  select: (picture: Picture, range: boolean) => void;
  favourite: (picture: Picture) => void;
}

interface TileProps {
  picture: Picture;
  index: number;
  /** Whether it is the one of the grid that Tab leads to. */
  active: boolean;
  selected: boolean;
  on: TileEvents;
}

export const Tile = memo(function Tile({ picture, index, active, selected, on }: TileProps) {
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
        onClick={(event) => on.open(event, picture, index)}
        onKeyDown={on.key}
        onFocus={() => on.focus(picture.id)}
      >
        <img src={thumbnailUrl(picture.id)} alt="" loading="lazy" decoding="async" draggable={false} />
      </button>
      <Checkbox
        className={classes.check}
        checked={selected}
        tabIndex={tabIndex}
        aria-label={t("choose", { name })}
        onChange={(event) => on.select(picture, isShift(event.nativeEvent))}
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
        onClick={() => on.favourite(picture)}
      >
        {picture.favourite ? <IconStarFilled size={14} /> : <IconStar size={14} />}
      </ActionIcon>
      {picture.role !== "picture" && <span className={classes.role}>{t(`role.${picture.role}`)}</span>}
    </li>
  );
});

/** A checkbox changes by a click, which React gives as an event of change. */
function isShift(event: Event): boolean {
  return event instanceof MouseEvent && event.shiftKey;
}
