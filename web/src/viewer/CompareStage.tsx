import { type KeyboardEvent, type PointerEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useZoomPan } from "./useZoomPan";
import classes from "./Viewer.module.css";
import type { Size } from "./zoom";

export interface ComparedPicture extends Size {
  url: string;
  label: string;
}

interface CompareStageProps {
  left: ComparedPicture;
  right: ComparedPicture;
}

const STEP = 2; // percent that an arrow moves the divider

/** Two pictures over each other and a divider between them; both are zoomed and panned together. */
export function CompareStage({ left, right }: CompareStageProps) {
  const { t } = useTranslation("viewer");
  const [divided, setDivided] = useState(50);
  // The larger one says the frame, so that an enlargement lies exactly over what it was made from.
  const frame = left.width * left.height >= right.width * right.height ? left : right;
  const zoom = useZoomPan({ picture: frame, reset: `${left.url} ${right.url}` });
  const move = (to: number) => setDivided(Math.min(100, Math.max(0, to)));

  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box) move((100 * (event.clientX - box.left)) / box.width);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: divided - STEP, ArrowRight: divided + STEP, Home: 0, End: 100 };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };

  return (
    <div className={classes.stage} {...zoom.stageProps}>
      <div className={classes.layer}>
        <img src={left.url} alt={left.label} style={{ ...zoom.style, objectFit: "contain" }} draggable={false} />
      </div>
      <div className={classes.layer} style={{ clipPath: `inset(0 0 0 ${divided}%)` }}>
        <img src={right.url} alt={right.label} style={{ ...zoom.style, objectFit: "contain" }} draggable={false} />
      </div>
      <span className={classes.corner} data-side="left">
        {left.label}
      </span>
      <span className={classes.corner} data-side="right">
        {right.label}
      </span>
      <div
        className={classes.divider}
        style={{ left: `${divided}%` }}
        role="slider"
        tabIndex={0}
        aria-label={t("pair.handle")}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(divided)}
        onPointerDown={(event) => {
          event.stopPropagation();
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={onPointerMove}
        onDoubleClick={(event) => event.stopPropagation()}
        onKeyDown={onKeyDown}
      />
    </div>
  );
}
