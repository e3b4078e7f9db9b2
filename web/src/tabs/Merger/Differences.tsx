import { Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Difference } from "./blocks";
import classes from "./Merger.module.css";

/** How far two models are apart, block by block: bars, with their numbers. */
export function Differences({ rows, models }: { rows: Difference[]; models: string[] }) {
  const { t } = useTranslation("merger");
  const largest = Math.max(...rows.map(({ distance }) => distance ?? 0));
  const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumSignificantDigits: 3 });
  return (
    <>
      <Text size="sm" mb="xs">
        {t(largest === 0 ? "difference.same" : "difference.about", { a: models[0], b: models[1] })}
      </Text>
      <Table className={classes.table} verticalSpacing={3} aria-label={t("difference.title")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("difference.block")}</Table.Th>
            <Table.Th className={classes.barCell}>{t("difference.distance")}</Table.Th>
            <Table.Th ta="right">|B − A| / |A|</Table.Th>
            <Table.Th ta="right" visibleFrom="sm">
              {t("difference.cosine")}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ block, distance, cosine }) => (
            <Table.Tr key={block}>
              <Table.Th fw={500}>{block}</Table.Th>
              <Table.Td>
                <div
                  className={classes.bar}
                  style={{ width: `${largest > 0 ? (100 * (distance ?? largest)) / largest : 0}%` }}
                  aria-hidden
                />
              </Table.Td>
              <Table.Td ta="right">{distance === null ? "∞" : percent.format(distance)}</Table.Td>
              <Table.Td ta="right" visibleFrom="sm">
                {cosine === null ? "–" : cosine.toFixed(5)}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}
