import type { Row } from "./fields";
import classes from "./Viewer.module.css";

/** Names and values, one line each. */
export function Rows({ rows }: { rows: Row[] }) {
  return (
    <dl className={classes.rows}>
      {rows.map(({ key, label, value }) => (
        <div key={key} className={classes.row}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
