import { Anchor, Paper, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useDraft } from "../../state/draft";
import { useNavigation } from "../../state/navigation";

/** What every picture of the plot begins with: the draft. */
export function Base() {
  const { t } = useTranslation("plot");
  const prompt = useDraft(({ request }) => request.prompt);
  const styled = useDraft(({ styles }) => styles.length > 0);
  const { go } = useNavigation();
  return (
    <Paper withBorder p="sm">
      <Text size="xs" c="dimmed">
        {t("base")}
      </Text>
      <Text size="sm" lineClamp={3} my={4} c={prompt ? undefined : "dimmed"}>
        {prompt || t("noPrompt")}
      </Text>
      {styled && (
        <Text size="xs" c="dimmed">
          {t("stylesLeft")}
        </Text>
      )}
      <Anchor component="button" size="sm" onClick={() => go("paint")}>
        {t("change")}
      </Anchor>
    </Paper>
  );
}
