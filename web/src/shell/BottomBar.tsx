import { UnstyledButton } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useNavigation } from "../state/navigation";
import { tabs } from "../tabs";
import classes from "./Rail.module.css";

/** The first rooms, and a button to the others: what a thumb reaches on a phone. */
export function BottomBar({ onMore }: { onMore: () => void }) {
  const { t } = useTranslation();
  const tab = useNavigation((navigation) => navigation.tab);
  return (
    <nav className={classes.bar} aria-label={t("rooms")}>
      {tabs.slice(0, 4).map(({ id, icon: Icon }) => (
        <UnstyledButton
          key={id}
          component="a"
          href={`#/${id}`}
          className={classes.link}
          aria-current={id === tab ? "page" : undefined}
        >
          <Icon size={22} stroke={1.6} aria-hidden />
          {t(`tabs.${id}`)}
        </UnstyledButton>
      ))}
      <UnstyledButton className={classes.link} onClick={onMore} aria-haspopup="dialog">
        <IconDots size={22} stroke={1.6} aria-hidden />
        {t("more")}
      </UnstyledButton>
    </nav>
  );
}
