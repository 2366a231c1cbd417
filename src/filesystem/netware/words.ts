/** A number and what it counts: `1 block`, `2 blocks`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
