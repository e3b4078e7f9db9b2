import { ActionIcon, Modal, Tooltip } from "@mantine/core";
import { useWindowEvent } from "@mantine/hooks";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { pictureUrl } from "../api/client";
import { useWhole } from "../api/queries";
import type { Picture } from "../api/types";
import { ConfirmDelete } from "./ConfirmDelete";
import { Details } from "./Details";
import { isTyping } from "./keys";
import { downloadPicture, useToggleFavourite } from "./pictures";
import { useViewer } from "./state";
import { Toolbar } from "./Toolbar";
import { useReturnFocus } from "./useReturnFocus";
import { useZoomPan } from "./useZoomPan";
import classes from "./Viewer.module.css";

/** A picture on the whole screen, with its story beside it. */
export default function Viewer() {
  const { t } = useTranslation("viewer");
  const { pictures, index, close } = useViewer();
  useReturnFocus();
  const picture = index === null ? undefined : pictures[index];
  return (
    <Modal.Root opened onClose={close} fullScreen transitionProps={{ duration: 0 }}>
      <Modal.Content className={classes.content} radius={0} aria-label={t("title")}>
        {picture && <Shown picture={picture} />}
      </Modal.Content>
    </Modal.Root>
  );
}

function Shown({ picture: told }: { picture: Picture }) {
  const { t } = useTranslation("viewer");
  const { pictures, index, show, showDetails, toggleDetails } = useViewer();
  const picture = useWhole(told);
  const [deleting, setDeleting] = useState(false);
  const favourite = useToggleFavourite();
  const place = index ?? 0;
  const go = (to: number) => {
    if (to >= 0 && to < pictures.length) show(to);
  };
  const zoom = useZoomPan({ picture, reset: picture.id, onSwipe: (direction) => go(place + direction) });

  const keys: Record<string, () => void> = {
    ArrowLeft: () => go(place - 1),
    ArrowRight: () => go(place + 1),
    Home: () => go(0),
    End: () => go(pictures.length - 1),
    f: () => favourite(picture),
    i: toggleDetails,
    d: () => downloadPicture(picture),
    Delete: () => setDeleting(true),
    "+": zoom.zoomIn,
    "=": zoom.zoomIn,
    "-": zoom.zoomOut,
    "0": zoom.fit,
  };
  useWindowEvent("keydown", (event) => {
    if (deleting || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // The neighbours are fetched ahead, so that turning the page shows them at once.
  useEffect(() => {
    for (const neighbour of [pictures[place + 1], pictures[place - 1]])
      if (neighbour) new Image().src = pictureUrl(neighbour.id);
  }, [pictures, place]);

  return (
    <div className={classes.screen}>
      <Toolbar
        picture={picture}
        position={place}
        count={pictures.length}
        zoom={zoom}
        onDelete={() => setDeleting(true)}
      />
      <div className={classes.body}>
        <div className={classes.stageBox}>
          <div className={classes.stage} {...zoom.stageProps}>
            <img
              src={pictureUrl(picture.id)}
              alt={picture.prompt || picture.filename}
              style={zoom.style}
              draggable={false}
            />
          </div>
          {place > 0 && <Turn label={t("previous")} side="left" onClick={() => go(place - 1)} />}
          {place < pictures.length - 1 && <Turn label={t("next")} side="right" onClick={() => go(place + 1)} />}
        </div>
        {showDetails && <Details picture={picture} />}
      </div>
      <ConfirmDelete pictures={deleting ? [picture] : []} onClose={() => setDeleting(false)} />
    </div>
  );
}

function Turn({ label, side, onClick }: { label: string; side: "left" | "right"; onClick: () => void }) {
  return (
    <Tooltip label={`${label} (${side === "left" ? "←" : "→"})`} position={side === "left" ? "right" : "left"}>
      <ActionIcon
        className={classes.turn}
        data-side={side}
        variant="default"
        radius="xl"
        size="lg"
        aria-label={label}
        onClick={onClick}
      >
        {side === "left" ? <IconChevronLeft size={20} /> : <IconChevronRight size={20} />}
      </ActionIcon>
    </Tooltip>
  );
}
