import { UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useNavigation } from "../state/navigation";
import { tabs } from "../tabs";
import classes from "./Rail.module.css";

/** All rooms, below each other; `wide`: as a grid, for the drawer of small screens. */
export function Rail({ wide = false }: { wide?: boolean }) {
  const { t } = useTranslation();
  const tab = useNavigation((navigation) => navigation.tab);
  return (
    <nav className={wide ? classes.grid : classes.rail} aria-label={t("rooms")}>
      {tabs.map(({ id, icon: Icon }) => (
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
    </nav>
  );
}
