import { Button, Chip, Group, Stack, Switch, Text } from "@mantine/core";
import { IconGridDots } from "@tabler/icons-react";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { useSubmit } from "../../api/queries";
import { useChosenJob } from "../../components/JobChoice";
import { notifyError } from "../../components/notify";
import { NumberField } from "../../components/NumberField";
import { Columns, Page, showResult } from "../../components/Page";
import { useDraft } from "../../state/draft";
import { specOf as draftSpec } from "../../state/spec";
import { AxisFields } from "./AxisFields";
import { Base } from "./Base";
import { AXES, NOTHING, specOf, usePlot, type AxisKey } from "./form";
import { Result } from "./Result";

/** The same picture under all combinations of some values. */
export default function Plot() {
  const { t } = useTranslation("plot");
  const { form, set } = usePlot();
  const draft = useDraft();
  const chosen = useChosenJob("plot");
  const submit = useSubmit();
  const varying = useId();
  const { num_images: _count, batch_size: _atOnce, ...request } = draftSpec(draft).request;
  const spec = specOf(form, request);
  const used = AXES.filter((axis) => form.axes[axis].name !== NOTHING);
  return (
    <Page title={t("title")} about={t("about")}>
      <Columns label={t("result")} result={<Result chosen={chosen} />}>
        <Stack gap="md">
          <Base />
          {AXES.map((axis) => (
            <AxisFields key={axis} axis={axis} />
          ))}
          <Text size="xs" c="dimmed" style={{ whiteSpace: "pre-line" }}>
            {t("syntax")}
          </Text>
          <div>
            <Text size="sm" fw={500} id={varying} mb={4}>
              {t("vary")}
            </Text>
            <Chip.Group multiple value={form.vary} onChange={(vary) => set({ vary: vary as AxisKey[] })}>
              <Group gap="xs" role="group" aria-labelledby={varying}>
                {AXES.map((axis) => (
                  <Chip key={axis} value={axis} size="sm" disabled={!used.includes(axis)}>
                    {axis.toUpperCase()}
                  </Chip>
                ))}
              </Group>
            </Chip.Group>
          </div>
          <Switch
            label={t("legend")}
            checked={form.legend}
            onChange={(event) => set({ legend: event.currentTarget.checked })}
          />
          <NumberField
            label={t("margin")}
            value={form.margin}
            onChange={(margin) => set({ margin: margin ?? 0 })}
            slider={[0, 64]}
            min={0}
            max={500}
          />
          <Button
            leftSection={<IconGridDots size={18} aria-hidden />}
            disabled={!spec}
            loading={submit.isPending}
            onClick={() =>
              spec && submit.mutate({ spec }, { onSuccess: (job) => (chosen.choose(job.id), showResult()), onError: notifyError })
            }
          >
            {t("start")}
          </Button>
        </Stack>
      </Columns>
    </Page>
  );
}
