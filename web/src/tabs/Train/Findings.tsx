import { Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX, IconInfoCircle, type Icon } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { inWords } from "../../api/words";
import { explain } from "../../components/notify";
import { type Finding, useFindings } from "./datasets";
import { useTrain } from "./form";
import classes from "./Train.module.css";
import { useResolution } from "./useResolution";

const LOOKS: Record<Finding["level"], [Icon, string]> = {
  error: [IconCircleX, "var(--mantine-color-error)"],
  warning: [IconAlertTriangle, "var(--mantine-color-orange-filled)"],
  note: [IconInfoCircle, "var(--mantine-color-dimmed)"],
  info: [IconInfoCircle, "var(--mantine-color-dimmed)"],
};

/** What the data set's check has found, for the size that will be trained at. */
export function Findings({ name }: { name: string }) {
  const { t } = useTranslation("train");
  const model = useTrain(({ form }) => form.model);
  const resolution = useResolution(model);
  const { data, error } = useFindings(name, resolution);
  if (error)
    return (
      <Text size="sm" c="var(--mantine-color-error)">
        {explain(error)}
      </Text>
    );
  if (!data) return null;
  return (
    <section aria-label={t("data.findings")}>
      <Text size="sm" fw={600}>
        {t("data.checkedFor", { resolution })}
      </Text>
      <ul className={classes.findings}>
        {data.length === 0 && (
          <li>
            <IconCircleCheck size={18} color="var(--mantine-color-green-filled)" aria-hidden />
            {t("data.allWell")}
          </li>
        )}
        {data.map(({ level, text }) => {
          const [Mark, color] = LOOKS[level];
          return (
            <li key={text}>
              <Mark size={18} color={color} style={{ flex: "none" }} aria-label={t(`level.${level}`)} />
              {inWords(text)}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
