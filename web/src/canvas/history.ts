/** Undo and redo: a line of changes, each of which can be taken back and done again. */

interface Limits {
  /** So many steps are kept whatever they weigh. */
  least: number;
  /** More than these never. */
  most: number;
  /** Between the two, as long as all together weigh less, in bytes. */
  bytes: number;
}

const LIMITS: Limits = { least: 60, most: 200, bytes: 256 * 2 ** 20 };

export class History<Change> {
  private done: Change[] = [];
  private undone: Change[] = [];

  /**
   * `exchange` makes a change happen and returns the one that takes it back; `weigh` says how many bytes one holds.
   */
  constructor(
    private readonly exchange: (change: Change) => Change,
    private readonly weigh: (change: Change) => number,
    private readonly limits: Limits = LIMITS,
  ) {}

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** Remember how to take back what was just done. What was undone before can no longer be done again. */
  push(inverse: Change): void {
    this.done.push(inverse);
    this.undone = [];
    let bytes = this.done.reduce((sum, change) => sum + this.weigh(change), 0);
    while (
      this.done.length > this.limits.most ||
      (this.done.length > this.limits.least && bytes > this.limits.bytes)
    ) {
      const oldest = this.done.shift();
      bytes -= oldest === undefined ? 0 : this.weigh(oldest);
    }
  }

  /** The change that was taken back, or null where there is none. */
  undo(): Change | null {
    return this.move(this.done, this.undone);
  }

  redo(): Change | null {
    return this.move(this.undone, this.done);
  }

  clear(): void {
    this.done = [];
    this.undone = [];
  }

  private move(from: Change[], to: Change[]): Change | null {
    const change = from.pop();
    if (change === undefined) return null;
    to.push(this.exchange(change));
    return change;
  }
}
