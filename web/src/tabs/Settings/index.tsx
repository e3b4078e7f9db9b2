import { useTranslation } from "react-i18next";
import { Page } from "../../components/Page";
import { Preferences } from "./Preferences";
import { Server } from "./Server";

export default function Settings() {
  const { t } = useTranslation("settings");
  return (
    <Page title={t("title")} about={t("about")}>
      <Preferences />
      <Server />
    </Page>
  );
}
