import { ActionIcon, Group, Select, Stack, TextInput, Tooltip } from "@mantine/core";
import { IconArrowsUpDown } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import { Field } from "../../components/Field";
import { AXES, type AxisKey, NOTHING, setAxis, swapAxes, usePlot } from "./form";
import { useOffered } from "./useOffered";
import { example, withValue } from "./values";

/** One axis: what changes along it, and its values. */
export function AxisFields({ axis }: { axis: AxisKey }) {
  const { t } = useTranslation("plot");
  const { name, values } = usePlot(({ form }) => form.axes[axis]);
  const { data: choices } = useChoices();
  const offered = useOffered(name);
  const next = AXES[AXES.indexOf(axis) + 1];
  return (
    <Stack gap={6}>
      <Field
        label={t("axis", { axis: axis.toUpperCase() })}
        aside={
          next && (
            <Tooltip label={t("swap", { one: axis.toUpperCase(), other: next.toUpperCase() })}>
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                aria-label={t("swap", { one: axis.toUpperCase(), other: next.toUpperCase() })}
                onClick={() => swapAxes(axis, next)}
              >
                <IconArrowsUpDown size={16} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )
        }
      >
        <Select
          data={grouped(choices?.axes ?? [], t)}
          value={name}
          onChange={(chosen) => chosen && setAxis(axis, { name: chosen, values: chosen === name ? values : "" })}
          allowDeselect={false}
          searchable
          maxDropdownHeight={360}
        />
      </Field>
      {name !== NOTHING && (
        <Group gap="xs" wrap="nowrap">
          <TextInput
            flex={1}
            aria-label={t("values", { axis: axis.toUpperCase() })}
            placeholder={offered.length ? t("chooseOrWrite") : t("such", { example: example(name) })}
            value={values}
            onChange={(event) => setAxis(axis, { values: event.currentTarget.value })}
          />
          {offered.length > 0 && (
            <Select
              w={44}
              aria-label={t("addValue", { axis: axis.toUpperCase() })}
              data={offered}
              value={null}
              onChange={(value) => value && setAxis(axis, { values: withValue(values, value) })}
              comboboxProps={{ width: 260, position: "bottom-end" }}
              maxDropdownHeight={320}
            />
          )}
        </Group>
      )}
    </Stack>
  );
}

/** A1111's names first; those of the request's own fields, which are in small letters, below. */
function grouped(names: string[], t: (key: string) => string) {
  const own = names.filter((name) => /^[a-z]/.test(name));
  const usual = names.filter((name) => !own.includes(name));
  const item = (name: string) => ({ value: name, label: name === NOTHING ? t("nothingAxis") : name });
  return [
    { group: t("usual"), items: usual.map(item) },
    { group: t("ofRequest"), items: own.map(item) },
  ];
}
