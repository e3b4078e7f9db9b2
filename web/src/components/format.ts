// Numbers for people. Units stay as they are in every language.

/** 4 -> "4 s", 75 -> "1 min 15 s", 7260 -> "2 h 1 min". */
export function seconds(value: number): string {
  const whole = Math.round(value);
  if (value < 10 && value > 0) return `${value < 1 ? Math.max(0.1, value).toFixed(1) : Math.max(1, whole)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const minutes = Math.floor((whole % 3600) / 60);
  return `${Math.floor(whole / 3600)} h${minutes ? ` ${minutes} min` : ""}`;
}

/** 345_000_000 -> "0.3 GB", with powers of ten as disks have them. */
export function bytes(value: number): string {
  if (value >= 1e8) return `${(value / 1e9).toFixed(1)} GB`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} MB`;
  return `${Math.ceil(value / 1e3)} kB`;
}
