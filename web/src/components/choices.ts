// What lists offer to choose from.

interface Choice {
  value: string;
  label: string;
}

/** With what is chosen among them: it can be seen before the list has come, and where that lacks it. */
export function withChosen(choices: readonly Choice[], value: string | null | undefined): Choice[] {
  const known = !value || choices.some((choice) => choice.value === value);
  return known ? [...choices] : [{ value, label: value }, ...choices];
}
