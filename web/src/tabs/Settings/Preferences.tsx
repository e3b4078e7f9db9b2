import { Select, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { LANGUAGES } from "../../i18n";
import { usePreferences, type Preferences as Kept } from "../../state/preferences";
import { Setting } from "./Setting";
import classes from "./Settings.module.css";

const THEMES: Kept["theme"][] = ["auto", "light", "dark"];

/** What this browser alone goes by. */
export function Preferences() {
  const { t } = useTranslation("settings");
  const { language, theme, set } = usePreferences();
  return (
    <section className={classes.section} aria-labelledby="preferences">
      <h2 className={classes.heading} id="preferences">
        {t("browser")}
      </h2>
      <Text size="sm" c="dimmed" mb="xs">
        {t("browserAbout")}
      </Text>
      <Setting label={t("common:language")} help={t("languageHelp")}>
        <Select
          data={[
            { value: "", label: t("asBrowser") },
            ...Object.entries(LANGUAGES).map(([value, label]) => ({ value, label })),
          ]}
          value={language}
          onChange={(value) => set({ language: (value ?? "") as Kept["language"] })}
          allowDeselect={false}
        />
      </Setting>
      <Setting label={t("common:theme.title")} help={t("themeHelp")}>
        <Select
          data={THEMES.map((value) => ({ value, label: t(`common:theme.${value}`) }))}
          value={theme}
          onChange={(value) => set({ theme: THEMES.find((one) => one === value) ?? "auto" })}
          allowDeselect={false}
        />
      </Setting>
    </section>
  );
}
