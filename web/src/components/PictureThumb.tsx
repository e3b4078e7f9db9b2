import { Image, UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { thumbnailUrl } from "../api/client";
import type { Picture } from "../api/types";
import classes from "./PictureThumb.module.css";

interface Props {
  picture: Picture;
  onClick?: () => void;
  selected?: boolean;
  /** Pixels of the square it fills; without it, the width of its place. */
  size?: number;
}

/** A small picture that is a button. */
export function PictureThumb({ picture, onClick, selected, size }: Props) {
  const { t } = useTranslation();
  const label = picture.prompt || t("pictureNumber", { id: picture.id });
  return (
    <UnstyledButton
      className={classes.thumb}
      onClick={onClick}
      aria-label={label}
      aria-pressed={selected}
      data-selected={selected || undefined}
      style={size ? { width: size, height: size } : undefined}
    >
      <Image src={thumbnailUrl(picture.id)} alt="" fit="cover" w="100%" h="100%" loading="lazy" draggable={false} />
    </UnstyledButton>
  );
}
