import { ScrollArea, UnstyledButton } from "@mantine/core";
import { IconLivePhoto } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Picture } from "../../api/types";
import { PictureThumb } from "../../components/PictureThumb";
import classes from "./Paint.module.css";
import type { Session } from "./session";

interface Props {
  session: Session;
  shown: Picture | null;
  /** null: back to what is painted now. */
  onChoose: (picture: Picture | null) => void;
}

/** What this tab has painted, newest first. */
export function Results({ session: { active, pictures }, shown, onChoose }: Props) {
  const { t } = useTranslation("paint");
  if (pictures.length === 0) return null;
  return (
    <ScrollArea type="auto" scrollbarSize={6} className={classes.results}>
      <div className={classes.strip} role="group" aria-label={t("results")}>
        {active && (
          <UnstyledButton className={classes.live} aria-pressed={shown === null} onClick={() => onChoose(null)}>
            <IconLivePhoto size={22} stroke={1.6} aria-hidden />
            {t("live")}
          </UnstyledButton>
        )}
        {pictures.map((picture) => (
          <PictureThumb
            key={picture.id}
            picture={picture}
            size={64}
            selected={picture.id === shown?.id}
            onClick={() => onChoose(picture)}
          />
        ))}
      </div>
    </ScrollArea>
  );
}
