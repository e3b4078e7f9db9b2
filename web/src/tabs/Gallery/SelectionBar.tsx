import { ActionIcon, Button, Group, Paper, Text, Tooltip } from "@mantine/core";
import { IconColumns2, IconFileZip, IconStar, IconTrash, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { address } from "../../api/client";
import { openCompare } from "../../viewer";
import { download, useToggleFavourite } from "../../viewer/pictures";
import classes from "./Gallery.module.css";
import type { Selection } from "./selection";

const MOST_ZIPPED = 500; // the server's own bound

interface SelectionBarProps {
  selection: Selection;
  onAll: () => void;
  onClear: () => void;
  onDelete: () => void;
}

/** What can be done with the chosen pictures; it floats over the grid while there are any. */
export function SelectionBar({ selection, onAll, onClear, onDelete }: SelectionBarProps) {
  const { t } = useTranslation("gallery");
  const favourite = useToggleFavourite();
  const chosen = [...selection.values()];
  const [first, second] = chosen;
  const ids = chosen.map(({ id }) => id).join(",");
  return (
    <Paper className={classes.selection} shadow="md" withBorder role="toolbar" aria-label={t("chosen")}>
      <Group gap="xs" wrap="nowrap">
        <Text size="sm" fw={600} aria-live="polite" className={classes.chosen}>
          {t("chosenCount", { count: selection.size })}
        </Text>
        <Button size="compact-sm" variant="subtle" onClick={onAll}>
          {t("all")}
        </Button>
        <Act
          label={t("zip", { most: MOST_ZIPPED })}
          disabled={chosen.length > MOST_ZIPPED}
          onClick={() => download(address("/pictures/zip", { ids }))}
          icon={<IconFileZip size={20} />}
        />
        <Act
          label={t("compare")}
          disabled={chosen.length !== 2}
          onClick={() => first && second && openCompare(first, second)}
          icon={<IconColumns2 size={20} />}
        />
        <Act
          label={t("viewer:favourite")}
          onClick={() => chosen.filter((one) => !one.favourite).forEach(favourite)}
          icon={<IconStar size={20} />}
        />
        <Act label={t("common:delete")} onClick={onDelete} icon={<IconTrash size={20} />} />
        <Act label={t("none")} onClick={onClear} icon={<IconX size={20} />} />
      </Group>
    </Paper>
  );
}

interface ActProps {
  label: string;
  icon: React.ReactNode;
  disabled?: boolean;
  onClick: () => void;
}

function Act({ label, icon, disabled, onClick }: ActProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} disabled={disabled} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
