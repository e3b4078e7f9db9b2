import { Group, Switch } from "@mantine/core";
import { useDraft } from "../../state/draft";
import { Help } from "../Field";
import { useField } from "./useField";

type SwitchName = "watermark" | "safety_checker";

export function RequestSwitch({ name }: { name: SwitchName }) {
  const value = useDraft((draft) => draft.request[name]);
  const set = useDraft((draft) => draft.set);
  const { label, help, fallback } = useField(name);
  return (
    <Group gap={6} wrap="nowrap">
      <Switch
        label={label}
        checked={value ?? fallback === true}
        onChange={(event) => set({ [name]: event.currentTarget.checked })}
      />
      <Help text={help} />
    </Group>
  );
}
