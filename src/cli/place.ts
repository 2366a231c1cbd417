import type { Command } from 'commander';
import { openMedium, type Medium } from '../medium/index.ts';
import { collect, integerOption, sizeOption, type Context } from './context.ts';
import { tapeOperator } from './tape/operator.ts';

/** The options of every verb that may go to a tape. */
export interface TapeOptions {
  readonly changer?: string;
  readonly buffer?: number;
  /** Seconds. */
  readonly waitForCartridge?: number;
}

/** The options of every verb that reads a set, which may need earlier ones. */
export interface SetOptions extends TapeOptions {
  readonly chainAt?: readonly string[];
}

/** Adds the options of tapes and of chains to a verb. */
export function addSetOptions(command: Command): Command {
  return addTapeOptions(command).option(
    '--chain-at <place>',
    'where earlier sets lie that an incremental one needs, when not beside it; may be given again',
    collect,
  );
}

const mostWaitSeconds = 30 * 24 * 3600;

/** What a place is, for the help of a verb. */
export const placeText = 'the folder, .tar file or tape drive (tape:/dev/tape/by-id/…-nst)';

/** Adds the options of tapes to a verb. */
export function addTapeOptions(command: Command): Command {
  return command
    .option(
      '--changer <name>',
      'the changer that fills the tape drive: its serial or node, or none; found when absent',
    )
    .option(
      '--buffer <size>',
      'memory between disk and tape, as 1G; an eighth of what is free when absent',
      sizeOption,
    )
    .option(
      '--wait-for-cartridge <seconds>',
      'how long to wait for one to be put in where nobody can be asked',
      integerOption(0, mostWaitSeconds),
    );
}

/** The medium at a place a person named. On a tape this command's person changes cartridges. */
export function mediumAt(
  context: Context,
  place: string,
  options: TapeOptions & { readonly partSize?: number } = {},
): Medium {
  const { changer, buffer, partSize, waitForCartridge } = options;
  return openMedium(place, {
    ...(partSize === undefined ? {} : { partSize }),
    tape: {
      operator: tapeOperator(
        context,
        waitForCartridge === undefined ? {} : { waitSeconds: waitForCartridge },
      ),
      tell: (notice) => context.tell(notice),
      signal: context.signal,
      ...(changer === undefined ? {} : { changer }),
      ...(buffer === undefined ? {} : { bufferBytes: buffer }),
    },
  });
}

/** Opens the place of a set, and with it the places of the earlier sets it may need, while `work` runs. */
export async function withChainMedia<T>(
  context: Context,
  place: string,
  options: SetOptions,
  work: (medium: Medium, media: readonly Medium[]) => Promise<T>,
): Promise<T> {
  const medium = mediumAt(context, place, options);
  const others = (options.chainAt ?? []).map((each) => mediumAt(context, each, options));
  try {
    return await work(medium, [medium, ...others]);
  } finally {
    for (const each of [medium, ...others]) await each.close();
  }
}

/** What moving the medium has cost, as a line for the person; nothing where nothing moved. */
export function tellMovements(context: Context, medium: Medium): void {
  const movements = medium.movements?.();
  if (movements === undefined) return;
  const { loads, repositionings } = movements;
  context.output.event({ type: 'tape', loads, repositionings });
  const cartridges = loads === 1 ? '1 cartridge' : `${loads} cartridges`;
  context.output.remark(`tape: ${cartridges} made ready, ${repositionings} repositionings`);
}
