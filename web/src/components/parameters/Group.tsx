import { Box, Collapse, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useId, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { usePreferences } from "../../state/preferences";
import classes from "./Group.module.css";

interface Props {
  /** Its key in the preferences, and under paint:group where it has no label. */
  name: string;
  label?: string;
  /** Something in it is switched on, which is to be seen while it is closed. */
  active?: boolean;
  children: ReactNode;
}

export function Group({ name, label, active = false, children }: Props) {
  const { t } = useTranslation("paint");
  const id = useId();
  const open = usePreferences((preferences) => preferences.open.includes(name));
  const toggle = usePreferences((preferences) => preferences.toggle);
  return (
    <Box className={classes.group}>
      <UnstyledButton className={classes.head} aria-expanded={open} aria-controls={id} onClick={() => toggle(name)}>
        <IconChevronRight className={classes.arrow} size={16} aria-hidden />
        <Text span fw={600} fz="sm">
          {label ?? t(`group.${name}`)}
        </Text>
        {active && !open && (
          <Text span fz="xs" c="ink" ml="auto">
            {t("on")}
          </Text>
        )}
      </UnstyledButton>
      <Collapse expanded={open} id={id}>
        <Stack gap="sm" pb="md">
          {open && children}
        </Stack>
      </Collapse>
    </Box>
  );
}
