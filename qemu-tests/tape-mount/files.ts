/** Files of a folder; every fiftieth entry is a symbolic link. */
export const filesPerFolder = 100;
const linkEvery = 50;

/** What stands in a file; lines, so that the tape is not longer than it has to be. */
export function contentOf(volume: string, number: number): string {
  return `${volume} ${number}\n`.repeat(1 + ((number * 37) % 200));
}

/** `d012/f001234` */
export function pathOf(number: number): string {
  const folder = String(Math.floor(number / filesPerFolder)).padStart(3, '0');
  return `d${folder}/f${String(number).padStart(6, '0')}`;
}

/** Whether an entry is a symbolic link. */
export function isLink(number: number): boolean {
  return number % linkEvery === 7;
}
