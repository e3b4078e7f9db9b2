import { Button, Group as Row, NumberInput, Select, Slider, Text } from "@mantine/core";
import { Fragment } from "react";
import { useTranslation } from "react-i18next";
import { Group } from "../../components/parameters/Group";
import { type Block, preset, PRESETS } from "./blocks";
import { useMerge } from "./form";
import classes from "./Merger.module.css";

interface Props {
  blocks: Block[];
  /** Of blocks that have none of their own. */
  multiplier: number;
  most: number;
}

/** A multiplier for each block of the U-Net. */
export function Blocks({ blocks, multiplier, most }: Props) {
  const { t } = useTranslation("merger");
  const { form, set } = useMerge();
  const changed = Object.keys(form.blocks).length;
  const names = ["BASE", ...blocks.map(({ name }) => name)];
  const change = (name: string, value: number) => set({ blocks: { ...form.blocks, [name]: value } });
  return (
    <Group name="merger.blocks" label={t("blocks.title")} active={changed > 0}>
      <Text size="xs" c="dimmed">
        {t("blocks.help")}
      </Text>
      <Row gap="xs">
        <Select
          aria-label={t("blocks.preset")}
          placeholder={t("blocks.preset")}
          data={Object.keys(PRESETS).map((name) => ({ value: name, label: t(`presets.${name}`) }))}
          value={null}
          onChange={(name) => name && set({ blocks: preset(name, blocks) })}
          size="xs"
          flex={1}
        />
        <Button size="compact-sm" variant="subtle" color="gray" disabled={!changed} onClick={() => set({ blocks: {} })}>
          {t("blocks.reset")}
        </Button>
      </Row>
      <div className={classes.blocks}>
        {names.map((name) => {
          const own = form.blocks[name];
          const label = t("blocks.of", { block: name });
          return (
            <Fragment key={name}>
              <span className={classes.name}>{name}</span>
              <Slider
                size="xs"
                min={0}
                max={most}
                step={0.05}
                label={null}
                value={Math.min(own ?? multiplier, most)}
                color={own === undefined ? "gray" : undefined}
                onChange={(value) => change(name, value)}
                thumbLabel={label}
              />
              <NumberInput
                size="xs"
                hideControls
                aria-label={label}
                value={own ?? ""}
                placeholder={String(multiplier)}
                decimalScale={3}
                onChange={(value) => {
                  if (typeof value === "number") return change(name, value);
                  const { [name]: _removed, ...others } = form.blocks;
                  if (value === "") set({ blocks: others });
                }}
              />
            </Fragment>
          );
        })}
      </div>
    </Group>
  );
}
