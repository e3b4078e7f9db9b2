import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { PictureThumb } from "../../components/PictureThumb";
import classes from "./Plot.module.css";
import type { Cell, PlotTable } from "./table";

const SIZE = 128; // pixels of a cell

interface Props {
  table: PlotTable;
  onOpen: (cell: Cell) => void;
}

/** A table of x and y for each z; cells fill as pictures come. */
export function Table({ table, onOpen }: Props) {
  const { t } = useTranslation("plot");
  const [x, y, z] = table.axes;
  return (z?.values ?? [""]).map((zValue, k) => (
    <section key={k}>
      {z && z.name !== "Nothing" && (
        <Text size="sm" fw={600} mt="sm">
          {`${z.name}: ${zValue}`}
        </Text>
      )}
      <div className={classes.scroll} tabIndex={0} role="group" aria-label={t("tableOf", { name: zValue || t("title") })}>
        <table className={classes.table}>
          {x && x.name !== "Nothing" && (
            <thead>
              <tr>
                {y?.name !== "Nothing" && <td />}
                {x.values.map((value, i) => (
                  <th key={i} scope="col">
                    {i === 0 ? `${x.name}: ${value}` : value}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {(y?.values ?? [""]).map((yValue, j) => (
              <tr key={j}>
                {y && y.name !== "Nothing" && (
                  <th scope="row" className={classes.row}>
                    {j === 0 ? `${y.name}: ${yValue}` : yValue}
                  </th>
                )}
                {(x?.values ?? [""]).map((_value, i) => {
                  const cell = table.at(i, j, k);
                  return (
                    <td key={i}>
                      {cell.picture ? (
                        <PictureThumb picture={cell.picture} size={SIZE} onClick={() => onOpen(cell)} />
                      ) : (
                        <div className={classes.waiting} role="img" aria-label={t("waiting")} />
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  ));
}
