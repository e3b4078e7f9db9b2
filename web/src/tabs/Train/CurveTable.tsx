import { Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { type CurveRow, thinned, pointsOf } from "./curve";

const ROWS = 20;

/** The curve in numbers. */
export function CurveTable({ rows }: { rows: CurveRow[] }) {
  const { t } = useTranslation("train");
  const loss = thinned(pointsOf(rows, "loss"), ROWS);
  const heldOut = new Map(pointsOf(rows, "held_out_loss").map(({ step, value }) => [step, value]));
  if (loss.length === 0) return null;
  return (
    <details>
      <Text component="summary" size="sm">
        {t("run.numbers")}
      </Text>
      <Table verticalSpacing={2} w="auto">
        <Table.Thead>
          <Table.Tr>
            <Table.Th ta="right">{t("common:step")}</Table.Th>
            <Table.Th ta="right">{t("run.lossColumn")}</Table.Th>
            {heldOut.size > 0 && <Table.Th ta="right">{t("run.heldOutColumn")}</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {loss.map(({ step, value }) => (
            <Table.Tr key={step}>
              <Table.Td ta="right">{step}</Table.Td>
              <Table.Td ta="right">{value.toPrecision(4)}</Table.Td>
              {heldOut.size > 0 && <Table.Td ta="right">{heldOut.get(step)?.toPrecision(4) ?? "–"}</Table.Td>}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </details>
  );
}
