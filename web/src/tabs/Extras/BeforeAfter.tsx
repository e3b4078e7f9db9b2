import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { pictureUrl, sourceUrl } from "../../api/client";
import type { Picture, PictureSource } from "../../api/types";
import { CompareStage } from "../../viewer/CompareStage";
import type { Size } from "../../viewer/zoom";
import classes from "./Extras.module.css";

/** The old picture and the new one over each other, with a divider between them. */
export function BeforeAfter({ before, after }: { before: PictureSource; after: Picture }) {
  const { t } = useTranslation("extras");
  const old = sourceUrl(before);
  const size = usePictureSize(old);
  if (!size) return null;
  return (
    <div className={classes.compare}>
      <CompareStage
        left={{ url: old, ...size, label: `${t("before")} · ${size.width} × ${size.height}` }}
        right={{
          url: pictureUrl(after.id),
          width: after.width,
          height: after.height,
          label: `${t("after")} · ${after.width} × ${after.height}`,
        }}
      />
    </div>
  );
}

/** Null until it is read, or where it is gone. */
function usePictureSize(url: string): Size | null {
  const [size, setSize] = useState<Size | null>(null);
  useEffect(() => {
    const picture = new Image();
    picture.onload = () => setSize({ width: picture.naturalWidth, height: picture.naturalHeight });
    picture.src = url;
    return () => {
      picture.onload = null;
      setSize(null);
    };
  }, [url]);
  return size;
}
