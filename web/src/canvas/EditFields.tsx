import { Accordion, Group, SegmentedControl, Select, SimpleGrid, Stack, Switch } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { GenerationRequest } from "../api/types";
import { Field, Help } from "../components/Field";
import { NumberField } from "../components/NumberField";
import { useDraft } from "../state/draft";
import classes from "./EditFields.module.css";

type Draft = Partial<GenerationRequest>;

const CONTENTS = ["original", "fill", "noise", "nothing"] as const;
const RESIZES = ["stretch", "crop", "fill", "latent"] as const;

/** How much of the picture changes, and what happens under the mask: what one wants first, then the rest on demand. */
export function EditFields() {
  const { t } = useTranslation("canvas");
  const { request, set, mode } = useDraft();
  const inpaints = mode === "inpaint";
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, sm: 2 }} verticalSpacing="sm" spacing="lg">
        <NumberField
          label={t("strength.label")}
          help={t("strength.help")}
          value={request.strength ?? null}
          onChange={(strength) => set({ strength: strength ?? undefined })}
          placeholder={0.75}
          min={0}
          max={1}
          step={0.05}
          decimals={2}
          slider={[0, 1]}
        />
        {!inpaints && <ResizeMode request={request} set={set} />}
        {inpaints && (
          <>
            <Field label={t("masked_content.label")} help={t("masked_content.help")}>
              <Select
                data={CONTENTS.map((value) => ({ value, label: t(`masked_content.${value}`) }))}
                value={request.masked_content ?? "original"}
                onChange={(value) => set({ masked_content: CONTENTS.find((content) => content === value) })}
                allowDeselect={false}
                size="sm"
              />
            </Field>
            <Field label={t("inpaint_area.label")} help={t("inpaint_area.help")}>
              <SegmentedControl
                fullWidth
                size="sm"
                aria-label={t("inpaint_area.label")}
                data={(["whole", "masked"] as const).map((value) => ({ value, label: t(`inpaint_area.${value}`) }))}
                value={request.inpaint_area ?? "whole"}
                onChange={(inpaint_area) => set({ inpaint_area })}
              />
            </Field>
            {request.inpaint_area === "masked" ? (
              <MaskNumber name="inpaint_padding" preset={32} most={4096} slider={256} step={4} />
            ) : (
              <MaskNumber name="mask_blur" preset={4} most={256} slider={64} />
            )}
          </>
        )}
      </SimpleGrid>
      {inpaints && (
        <Accordion
          chevronPosition="left"
          classNames={{ control: classes.more, label: classes.moreLabel, content: classes.moreFields }}
        >
          <Accordion.Item value="more">
            <Accordion.Control>{t("moreMask")}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }} verticalSpacing="sm" spacing="lg">
                {request.inpaint_area === "masked" && <MaskNumber name="mask_blur" preset={4} most={256} slider={64} />}
                <MaskNumber name="mask_grow" preset={1} most={16} slider={16} />
                <MaskNumber name="mask_strength" preset={1} most={1} slider={1} step={0.05} decimals={2} />
                <ResizeMode request={request} set={set} />
                <Toggle name="mask_invert" preset={false} />
                <Toggle name="mask_soft" preset={false} />
                <Toggle name="match_colors" preset={true} />
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
      )}
    </Stack>
  );
}

function ResizeMode({ request, set }: { request: Draft; set: (fields: Draft) => void }) {
  const { t } = useTranslation("canvas");
  const masked = useDraft(({ mode }) => mode === "inpaint");
  return (
    <Field label={t("resize_mode.label")} help={t("resize_mode.help")}>
      <Select
        // A mask cannot follow into latents: the server refuses the two together
        data={RESIZES.filter((value) => !masked || value !== "latent").map((value) => ({
          value,
          label: t(`resize_mode.${value}`),
        }))}
        value={request.resize_mode ?? "stretch"}
        onChange={(value) => set({ resize_mode: RESIZES.find((mode) => mode === value) })}
        allowDeselect={false}
        size="sm"
      />
    </Field>
  );
}

interface NumberProps {
  name: "mask_blur" | "mask_grow" | "mask_strength" | "inpaint_padding";
  /** What holds where the draft says nothing. */
  preset: number;
  most: number;
  /** The slider's end. */
  slider: number;
  step?: number;
  decimals?: number;
}

function MaskNumber({ name, preset, most, slider, step = 1, decimals = 0 }: NumberProps) {
  const { t } = useTranslation("canvas");
  const { request, set } = useDraft();
  return (
    <NumberField
      label={t(`${name}.label`)}
      help={t(`${name}.help`)}
      value={request[name] ?? null}
      onChange={(value) => set({ [name]: value ?? undefined })}
      placeholder={preset}
      min={0}
      max={most}
      step={step}
      decimals={decimals}
      slider={[0, slider]}
    />
  );
}

function Toggle({ name, preset }: { name: "mask_invert" | "mask_soft" | "match_colors"; preset: boolean }) {
  const { t } = useTranslation("canvas");
  const { request, set } = useDraft();
  return (
    <Group gap={6}>
      <Switch
        label={t(`${name}.label`)}
        checked={request[name] ?? preset}
        onChange={(event) => set({ [name]: event.currentTarget.checked === preset ? undefined : !preset })}
      />
      <Help text={t(`${name}.help`)} />
    </Group>
  );
}
