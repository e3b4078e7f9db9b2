import { Group, NumberInput, Slider } from "@mantine/core";
import { useId, type ReactNode } from "react";
import { Field } from "./Field";

interface Props {
  label: string;
  help?: string;
  aside?: ReactNode;
  /** null is shown empty: the placeholder says what then holds. */
  value: number | null;
  onChange: (value: number | null) => void;
  placeholder?: string | number;
  min?: number;
  max?: number;
  step?: number;
  decimals?: number;
  /** Bounds of a slider under the number, often narrower than what is allowed. */
  slider?: [from: number, to: number];
  disabled?: boolean;
}

/** A number, with a slider where it has a usual range. */
export function NumberField({ label, help, aside, value, onChange, placeholder, slider, ...rest }: Props) {
  const id = useId();
  const shown = value ?? (Number(placeholder) || slider?.[0] || 0);
  const { decimals = 0, ...bounds } = rest;
  const change = (next: number | string) => onChange(Number.isFinite(parseFloat(`${next}`)) ? Number(next) : null);
  const input = (
    <NumberInput
      id={id}
      value={value ?? ""}
      onChange={change}
      placeholder={placeholder === undefined ? undefined : String(placeholder)}
      decimalScale={decimals}
      allowNegative={rest.min === undefined || rest.min < 0}
      hideControls={slider !== undefined}
      size="sm"
      w={slider && 78}
      flex="none"
      {...bounds}
    />
  );
  return (
    <Field label={label} help={help} aside={aside} id={id}>
      {slider ? (
        <Group wrap="nowrap" gap="md">
          <Slider
            flex={1}
            value={Math.min(Math.max(shown, slider[0]), slider[1])}
            onChange={change}
            min={slider[0]}
            max={slider[1]}
            step={rest.step ?? 1}
            label={null}
            size="sm"
            color={value === null ? "gray" : undefined}
            thumbLabel={label}
            disabled={rest.disabled}
          />
          {input}
        </Group>
      ) : (
        input
      )}
    </Field>
  );
}
