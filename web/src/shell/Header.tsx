import { ActionIcon, Group, Menu, Title, Tooltip } from "@mantine/core";
import { IconLanguage, IconMoon, IconPlugConnectedX, IconSun, IconSunMoon } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useConnected } from "../api/events";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n";
import { usePreferences } from "../state/preferences";
import classes from "./Header.module.css";
import { Logo } from "./Logo";
import { QueueBadge } from "./QueueBadge";

const THEMES = { auto: IconSunMoon, light: IconSun, dark: IconMoon } as const;
type Theme = keyof typeof THEMES;

export function Header() {
  return (
    <Group h="100%" px="md" justify="space-between" wrap="nowrap">
      <Group gap={8} wrap="nowrap">
        <Logo />
        <Title order={1} fz={19} fw={650} lts={-0.2}>
          inkbloom
        </Title>
      </Group>
      <Group gap={6} wrap="nowrap">
        <Connection />
        <QueueBadge />
        <LanguageMenu />
        <ThemeMenu />
      </Group>
    </Group>
  );
}

/** Nothing while all is well: only a lost server is worth a word. */
function Connection() {
  const { t } = useTranslation();
  const connected = useConnected();
  return (
    <span role="status" className={classes.connection} data-lost={!connected || undefined}>
      {!connected && (
        <>
          <IconPlugConnectedX size={17} aria-hidden /> <span className={classes.words}>{t("disconnected")}</span>
        </>
      )}
    </span>
  );
}

function LanguageMenu() {
  const { t } = useTranslation();
  const { language, set } = usePreferences();
  const present = chooseLanguage(language, navigator.languages);
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t("language")}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("language")}>
            <IconLanguage size={20} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(LANGUAGES) as Language[]).map((name) => (
          <Menu.Item key={name} lang={name} fw={name === present ? 600 : 400} onClick={() => set({ language: name })}>
            {LANGUAGES[name]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function ThemeMenu() {
  const { t } = useTranslation();
  const { theme, set } = usePreferences();
  const Present = THEMES[theme];
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t("theme.title")}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("theme.title")}>
            <Present size={20} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(THEMES) as Theme[]).map((name) => {
          const Icon = THEMES[name];
          return (
            <Menu.Item
              key={name}
              leftSection={<Icon size={16} aria-hidden />}
              fw={name === theme ? 600 : 400}
              onClick={() => set({ theme: name })}
            >
              {t(`theme.${name}`)}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
