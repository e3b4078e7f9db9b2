import { Modal, Table, Text } from "@mantine/core";
import { IconArrowsExchange, IconX } from "@tabler/icons-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { pictureUrl } from "../api/client";
import { useWhole } from "../api/queries";
import type { Picture } from "../api/types";
import { CompareStage, type ComparedPicture } from "./CompareStage";
import { type Difference, differences } from "./fields";
import { openCompare, useViewer } from "./state";
import { Tool } from "./Toolbar";
import { useReturnFocus } from "./useReturnFocus";
import classes from "./Viewer.module.css";

/** Two pictures with a divider between them, and the settings in which they differ. */
export default function Compare({ pair }: { pair: [Picture, Picture] }) {
  const { t } = useTranslation("viewer");
  const left = useWhole(pair[0]);
  const right = useWhole(pair[1]);
  const { close } = useViewer();
  useReturnFocus();
  const different = useMemo(
    () => differences(left.request ?? {}, right.request ?? {}, t),
    [left.request, right.request, t],
  );
  return (
    <Modal.Root opened onClose={close} fullScreen transitionProps={{ duration: 0 }}>
      <Modal.Content className={classes.content} radius={0} aria-label={t("pair.title")}>
        <div className={classes.screen}>
          <header className={classes.toolbar}>
            <Text component="h2" size="sm" fw={600} className={classes.heading}>
              {t("pair.title")}
            </Text>
            <Tool
              label={t("pair.swap")}
              onClick={() => openCompare(right, left)}
              icon={<IconArrowsExchange size={20} />}
            />
            <Tool label={t("common:close")} shortcut="Esc" onClick={close} icon={<IconX size={20} />} />
          </header>
          <div className={classes.body}>
            <div className={classes.stageBox}>
              <CompareStage left={compared(left, t("pair.first"))} right={compared(right, t("pair.second"))} />
            </div>
            <Differences rows={different} />
          </div>
        </div>
      </Modal.Content>
    </Modal.Root>
  );
}

function Differences({ rows }: { rows: Difference[] }) {
  const { t } = useTranslation("viewer");
  return (
    <aside className={classes.details} aria-label={t("pair.differences")} tabIndex={0}>
      <Text component="h3" size="sm" fw={600} mb="xs">
        {t("pair.differences")}
      </Text>
      {rows.length === 0 ? (
        <Text size="sm">{t("pair.none")}</Text>
      ) : (
        <Table layout="fixed" verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("pair.field")}</Table.Th>
              <Table.Th>{t("pair.first")}</Table.Th>
              <Table.Th>{t("pair.second")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ key, label, left, right }) => (
              <Table.Tr key={key}>
                <Table.Td c="dimmed">{label}</Table.Td>
                <Table.Td className={classes.text}>{left || t("pair.unsaid")}</Table.Td>
                <Table.Td className={classes.text}>{right || t("pair.unsaid")}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </aside>
  );
}

function compared(picture: Picture, label: string): ComparedPicture {
  return { url: pictureUrl(picture.id), width: picture.width, height: picture.height, label };
}
