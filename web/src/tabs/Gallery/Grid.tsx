import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Picture } from "../../api/types";
import { useToggleFavourite } from "../../viewer/pictures";
import classes from "./Gallery.module.css";
import { extended, moved, type Selection, toggled } from "./selection";
import { Tile, type TileEvents } from "./Tile";

interface GridProps {
  pictures: Picture[];
  selection: Selection;
  onSelect: (selection: Selection) => void;
  onOpen: (index: number) => void;
  /** The key was pressed on this picture. */
  onDelete: (picture: Picture) => void;
  /** The end of the list comes into view. */
  onEnd: () => void;
}

/** Thumbnails in a grid; one of them is in the tab order, and the arrows lead to the others. */
export function Grid({ pictures, selection, onSelect, onOpen, onDelete, onEnd }: GridProps) {
  const { t } = useTranslation("gallery");
  const grid = useRef<HTMLUListElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const reached = useRef(onEnd);
  reached.current = onEnd;
  // By its number, since new pictures come in before it.
  const [current, setCurrent] = useState<number | null>(null);
  const [anchor, setAnchor] = useState<number | null>(null);
  const favourite = useToggleFavourite();
  const active = Math.max(0, pictures.findIndex(({ id }) => id === current));

  // Observed anew after each page: a page that leaves the end in view must bring the next one.
  useEffect(() => {
    if (!end.current) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && reached.current(), {
      rootMargin: "600px",
    });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [pictures.length]);

  const select = (picture: Picture, range: boolean) => {
    onSelect(range ? extended(selection, pictures, anchor, picture) : toggled(selection, picture));
    setAnchor(picture.id);
  };

  const onClick = (event: MouseEvent, picture: Picture, index: number) => {
    if (event.shiftKey || event.ctrlKey || event.metaKey || selection.size > 0) select(picture, event.shiftKey);
    else onOpen(index);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const picture = pictures[active];
    if (!picture || event.altKey) return;
    const to = moved(event.key, active, pictures.length, columnsOf(grid.current));
    const all = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a";
    if (to !== null) focus(to);
    else if (all) onSelect(new Map(pictures.map((one) => [one.id, one])));
    else if (event.ctrlKey || event.metaKey) return;
    else if (event.key === " ") select(picture, event.shiftKey);
    else if (event.key === "Enter") onOpen(active);
    else if (event.key === "Delete") onDelete(picture);
    else if (event.key.toLowerCase() === "f") favourite(picture);
    else if (event.key === "Escape" && selection.size > 0) onSelect(new Map());
    else return;
    event.preventDefault();
  };

  const focus = (index: number) => grid.current?.querySelectorAll<HTMLElement>("[data-open]")[index]?.focus();

  const events: TileEvents = { open: onClick, key: onKeyDown, focus: setCurrent, select, favourite };
  const latest = useRef(events);
  latest.current = events;
  const on = useMemo<TileEvents>(
    () => ({
      open: (...told) => latest.current.open(...told),
      key: (...told) => latest.current.key(...told),
      focus: (...told) => latest.current.focus(...told),
      select: (...told) => latest.current.select(...told),
      favourite: (...told) => latest.current.favourite(...told),
    }),
    [],
  );

  return (
    <>
      <ul ref={grid} className={classes.grid} aria-label={t("title")} data-choosing={selection.size > 0 || undefined}>
        {pictures.map((picture, index) => (
          <Tile
            key={picture.id}
            picture={picture}
            index={index}
            active={index === active}
            selected={selection.has(picture.id)}
            on={on}
          />
        ))}
      </ul>
      <div ref={end} />
    </>
  );
}

function columnsOf(grid: HTMLElement | null): number {
  return grid ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}
