import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { CartridgeContents, Cartridges, LoadedCartridge, PartKnown } from '../tape/index.ts';
import { DriveTurns } from './drive-turns.ts';
import type { Buffering, Medium, SetOnMedium } from './medium.ts';
import { checkSetName } from './names.ts';
import { TapeSink } from './tape-sink.ts';
import { TapeSource, type SetOnTape } from './tape-source.ts';

export interface TapeMediumOptions {
  /** For messages: the address it was named by. */
  readonly name: string;
  /** Opens drive and changer at first use. */
  readonly open: () => Promise<Cartridges>;
  readonly buffering: Buffering;
  /** Told what a person should know on the way. */
  readonly tell?: (notice: Notice) => void;
}

/**
 * Sets on the cartridges that one drive can get: each part of a set is one file of a tape, each record one
 * block. See src/tape for how cartridges get into the drive and what stands on them.
 */
export function tapeMedium(options: TapeMediumOptions): Medium {
  const { name, buffering, tell = () => {} } = options;
  let opened: Promise<Cartridges> | null = null;
  let present: Cartridges | null = null;
  let first: LoadedCartridge | null = null;
  /** What was on the cartridge that is being written, before it was. */
  let writing: CartridgeContents | null = null;
  const sources: TapeSource[] = [];
  const turns = new DriveTurns();
  const cartridges = (): Promise<Cartridges> => (opened ??= options.open().then((made) => (present = made)));

  const parts = async (): Promise<readonly PartKnown[]> => {
    // While a set is written, and once its cartridge is in the drive, nothing may be moved.
    if (writing !== null) return writing.parts;
    if (first !== null) return first.contents.parts;
    const shelf = await cartridges();
    const all = await shelf.parts();
    if (all.length > 0 || (await shelf.drive.isLoaded())) return all;
    throw new RemetalError('drive-empty', `No cartridge is in the tape drive ${name}.`, {
      hint: 'Put the cartridge in.',
      facts: { drive: name },
    });
  };

  /* What is in the drive is looked at before anything is moved. */
  const find = async (wanted: string): Promise<SetOnTape | undefined> => {
    const shelf = await cartridges();
    if (writing !== null || !(await shelf.drive.isLoaded())) return undefined;
    return setsIn((await shelf.current()).parts).find((set) => set.name === wanted);
  };

  const forWriting = async (): Promise<LoadedCartridge> =>
    (first ??= await (await cartridges()).forWriting({ setId: '', part: 1, recordLimit: null }));

  return {
    name,
    buffering,
    recordLimit: async () => (await forWriting()).label.recordLimit,
    list: async () => setsIn(await parts()).map(describe),
    create: async (set, setId) => {
      checkSetName(set);
      const loaded = await forWriting();
      first = null;
      if (loaded.contents.parts.some((part) => part.set === set && part.ends !== 'open')) {
        throw new RemetalError('set-exists', `Cartridge ${loaded.label.name} holds a set ${set} already.`, {
          hint: 'Give the set another name.',
          facts: { cartridge: loaded.label.name, set },
        });
      }
      writing = loaded.contents;
      const sink = new TapeSink({
        cartridges: await cartridges(),
        first: loaded,
        setId,
        tell,
        done: () => {
          writing = null;
        },
      });
      await sink.begin();
      return sink;
    },
    open: async (wanted) => {
      const found = (await find(wanted)) ?? setsIn(await parts()).find((set) => set.name === wanted);
      if (found === undefined) {
        throw new RemetalError('no-such-set', `The cartridge in ${name} holds nothing of a set ${wanted}.`, {
          hint: 'Put in a cartridge of the set; `remetal tape inventory` says which.',
          facts: { drive: name, set: wanted },
        });
      }
      const source = new TapeSource(await cartridges(), found, buffering.bytes);
      sources.push(source);
      return turns.source(source);
    },
    movements: () => ({
      loads: present?.drive.movements.loads ?? 0,
      repositionings: sources.reduce((sum, source) => sum + source.repositionings, 0),
    }),
    close: async () => {
      for (const source of sources) await source.close();
      await present?.close();
    },
  };
}

/** The sets that cartridges hold parts of, the newest last. */
export function setsIn(all: readonly PartKnown[]): SetOnTape[] {
  const sets = new Map<string, PartKnown[]>();
  for (const part of all) {
    const key = `${part.setId} ${part.set}`;
    sets.set(key, [...(sets.get(key) ?? []), part]);
  }
  return [...sets.values()]
    .map((parts): SetOnTape => {
      const sorted = parts.filter((part) => !isSuperseded(part, parts)).toSorted((a, b) => a.part - b.part);
      return {
        name: sorted[0]!.set,
        setId: sorted[0]!.setId,
        parts: sorted,
        committed: sorted.every(
          ({ ends, part }) => ends !== 'open' || sorted.some((later) => later.part === part + 1),
        ),
      };
    })
    .toSorted((a, b) => a.parts[0]!.createdAt.localeCompare(b.parts[0]!.createdAt));
}

/* A part that was torn and is there a second time was written again. */
function isSuperseded({ part, ends }: PartKnown, parts: readonly PartKnown[]): boolean {
  return ends === 'open' && parts.some((other) => other.part === part && other.ends !== 'open');
}

function describe({ name, setId, parts, committed }: SetOnTape): SetOnMedium {
  const last = parts.find(({ ends }) => ends === 'set')?.part ?? null;
  const complete = committed && last !== null && parts.length === last;
  return {
    name,
    complete,
    ...(committed && !complete ? { continues: true } : {}),
    parts: last ?? parts.at(-1)!.part,
    made: {
      setId,
      name: parts[0]!.machine,
      createdAt: parts[0]!.createdAt,
      chain: parts[0]!.chain ?? [],
    },
    bytes: null,
  };
}
