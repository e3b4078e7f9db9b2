// The page's words. Every folder of locales/<language>/ file is a namespace: t("paint:generate").

import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { usePreferences } from "./state/preferences";

type Words = Record<string, string | Record<string, string>>;

const files = import.meta.glob<Words>("./locales/*/*.json", { eager: true, import: "default" });
const resources: Record<string, Record<string, Words>> = {};
for (const [path, words] of Object.entries(files)) {
  const [language = "", namespace = ""] = path.replace("./locales/", "").replace(".json", "").split("/");
  (resources[language] ??= {})[namespace] = words;
}

export const LANGUAGES = { en: "English", "zh-CN": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

/** The preferred language, or the first of the browser's that there is, or English. */
export function chooseLanguage(preferred: string, browser: readonly string[]): Language {
  if (preferred in LANGUAGES) return preferred as Language;
  for (const wanted of browser) {
    if (/^zh\b/i.test(wanted)) return "zh-CN";
    if (/^en\b/i.test(wanted)) return "en";
  }
  return "en";
}

const language = () => chooseLanguage(usePreferences.getState().language, navigator.languages);

void i18next.use(initReactI18next).init({
  resources,
  lng: language(),
  fallbackLng: "en",
  ns: Object.keys(resources["en"] ?? {}),
  defaultNS: "common",
  interpolation: { escapeValue: false }, // React escapes
});
document.documentElement.lang = i18next.language;

usePreferences.subscribe(() => {
  if (i18next.language === language()) return;
  void i18next.changeLanguage(language());
  document.documentElement.lang = language();
});

export default i18next;
