import { expect, it } from "vitest";
import { History } from "./history";

function counter(limits?: { least: number; most: number; bytes: number }) {
  const held = { value: 0 };
  const exchange = (value: number) => {
    const before = held.value;
    held.value = value;
    return before;
  };
  const history = new History<number>(exchange, () => 10, limits);
  const change = (value: number) => history.push(exchange(value));
  return { held, history, change };
}

it("takes back and does again, and forgets what was undone at the next change", () => {
  const { held, history, change } = counter();
  [1, 2, 3].forEach(change);
  history.undo();
  history.undo();
  expect(held.value).toBe(1);
  history.redo();
  expect(held.value).toBe(2);
  change(7);
  expect(history.canRedo).toBe(false);
  history.undo();
  expect(held.value).toBe(2);
});

it("keeps at least fifty steps whatever they weigh", () => {
  const { held, history, change } = counter();
  for (let i = 1; i <= 120; i++) change(i);
  for (let i = 0; i < 50; i++) expect(history.undo()).not.toBeNull();
  expect(held.value).toBe(70);
});

it("forgets the oldest beyond its limits", () => {
  const { history, change } = counter({ least: 2, most: 5, bytes: 35 });
  for (let i = 1; i <= 9; i++) change(i);
  let steps = 0;
  while (history.undo() !== null) steps++;
  expect(steps).toBe(3);
});
