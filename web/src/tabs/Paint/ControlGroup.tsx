import type { ReactNode } from "react";
import { Group } from "../../components/parameters/Group";
import { useDraft } from "../../state/draft";

export function ControlGroup({ children }: { children: ReactNode }) {
  const active = useDraft((draft) => draft.request.controls?.some((unit) => unit.enabled !== false) ?? false);
  return (
    <Group name="control" active={active}>
      {children}
    </Group>
  );
}
