import type { ScsiAnswer, ScsiRequest } from '../system/index.ts';

/** How bad it is: `critical` things need a person now. */
export type AlertSeverity = 'critical' | 'warning' | 'info';

/** Something a drive wants a person to know. */
export interface TapeAlert {
  /** Number of the flag, 1 to 64. */
  readonly flag: number;
  readonly severity: AlertSeverity;
  /** What is the matter and what to do, in whole sentences. */
  readonly words: string;
}

const critical = 'critical';
const warning = 'warning';
const info = 'info';

/** The flags of tape drives (SSC-4, annex A), in words of our own; flag 1 first. */
const flags: readonly (readonly [AlertSeverity, string] | null)[] = [
  [warning, 'The drive has trouble reading. The data is still good; copy it to another cartridge soon.'],
  [warning, 'The drive has trouble writing. The data is still good; use another cartridge next time.'],
  [warning, 'A read or write failed for good.'],
  [critical, 'The cartridge is bad and can no longer be read or written. Copy what is left; throw it away.'],
  [
    critical,
    'The tape cannot be read: the cartridge or the drive is bad. Try the cartridge in another drive.',
  ],
  [critical, 'The tape cannot be written: the cartridge or the drive is bad. Try another cartridge.'],
  [warning, 'The cartridge is worn out. Copy its data to a new one and throw it away.'],
  [warning, 'The cartridge is not of data grade. Its data is not safe there.'],
  [critical, 'Something was to be written on a protected cartridge. Move its tab or use another.'],
  [info, 'The cartridge cannot be ejected because a program locked it in.'],
  [info, 'A cleaning cartridge is in the drive.'],
  [info, 'The cartridge is of a format the drive does not know.'],
  [
    critical,
    'The cartridge broke in the drive; the tape may be torn. It can still be ejected; do not use it again.',
  ],
  [
    critical,
    'The cartridge broke in the drive and cannot be ejected; the tape may be torn. Do not force it: the drive needs service.',
  ],
  [
    warning,
    'The memory chip of the cartridge failed. It works more slowly; use another cartridge for new data.',
  ],
  [critical, 'The cartridge was taken out by force while it was in use.'],
  [warning, 'The cartridge is of a format that this drive reads but does not write.'],
  [warning, 'The directory of the tape is damaged. Finding things is slow until all of it was read once.'],
  [info, 'The cartridge will soon be worn out. Copy its data to a new one.'],
  [critical, 'The drive must be cleaned now.'],
  [warning, 'The drive is due for cleaning.'],
  [critical, 'The cleaning cartridge is used up. Throw it away and use a new one.'],
  [critical, 'The cleaning cartridge is of a kind this drive does not take.'],
  [warning, 'The drive asks that the tape be wound to its end and back.'],
  [warning, 'One of the ports of the drive failed.'],
  [warning, 'A fan of the drive failed.'],
  [warning, 'A power supply of the drive failed.'],
  [warning, 'The drive takes more power than it should.'],
  [warning, 'The drive is due for maintenance.'],
  [critical, 'The drive is broken and must be reset. Switch it off and on.'],
  [critical, 'The drive is broken and failed its own test. It needs service.'],
  [warning, 'The connection between the drive and the machine failed. Look at the cables.'],
  [critical, 'The drive failed. Eject the cartridge, insert it again and try once more.'],
  [warning, 'New firmware could not be put into the drive.'],
  [warning, 'The air in the drive is too humid or too dry.'],
  [warning, 'The drive is too hot or too cold.'],
  [warning, 'The voltage of the drive is wrong.'],
  [critical, 'The drive expects to fail soon. It needs service.'],
  [warning, 'The drive asks for a diagnosis.'],
  [critical, 'The changer of the drive is broken.'],
  [critical, 'A cartridge is stuck in the changer of the drive.'],
  [warning, 'The changer of the drive has trouble moving cartridges.'],
  [critical, 'The door of the changer is open.'],
  [critical, 'The changer of the drive is broken mechanically.'],
  [critical, 'There is no magazine in the changer.'],
  [warning, 'The changer of the drive expects to fail soon.'],
  null,
  null,
  null,
  [warning, 'The statistics of the cartridge or the drive were lost.'],
  [warning, 'The directory of the tape was damaged when it was ejected. Finding things will be slow.'],
  [critical, 'The system area of the tape could not be written at ejecting. Copy its data to a new one.'],
  [critical, 'The system area of the tape could not be read at loading. Copy its data to a new one.'],
  [critical, 'The beginning of the data was not found. The cartridge is empty, foreign or damaged.'],
  [critical, 'The cartridge could not be loaded. Take it out and look at it.'],
  [critical, 'The cartridge could not be ejected. The drive needs service.'],
  [critical, 'The connection between the drive and its library failed.'],
  [warning, 'The firmware of the drive failed.'],
  [warning, 'A cartridge that can be written only once was tampered with or is damaged.'],
  [warning, 'Something was to be overwritten on a cartridge that can be written only once.'],
  null,
  null,
  null,
  null,
];

/** The alert of a flag; flags nobody gave a meaning are warnings by number. */
export function tapeAlert(flag: number): TapeAlert {
  const [severity, words] = flags[flag - 1] ?? [
    warning,
    `The drive raised TapeAlert flag ${flag}, which has no meaning known to this program.`,
  ];
  return { flag, severity, words };
}

const alertPage = 0x2e;
const room = 512;

/** LOG SENSE of the TapeAlert page, cumulative values (SPC-4). Asking clears the flags. */
export const readTapeAlerts: ScsiRequest = {
  command: Uint8Array.of(0x4d, 0, 0x40 | alertPage, 0, 0, 0, 0, room >> 8, room & 0xff, 0),
  receive: room,
};

/** The flags that are set, by number; none where the drive has no such page. */
export function decodeTapeAlerts(answer: ScsiAnswer): TapeAlert[] {
  const { data } = answer;
  if (answer.status !== 0 || data.length < 4 || (data[0]! & 0x3f) !== alertPage) return [];
  const set = new Set<number>();
  const end = Math.min(data.length, 4 + data.readUInt16BE(2));
  for (let at = 4; at + 5 <= end; at += 4 + data[at + 3]!) {
    const flag = data.readUInt16BE(at);
    if (flag >= 1 && flag <= flags.length && data[at + 3]! > 0 && (data[at + 4]! & 1) !== 0) set.add(flag);
  }
  return [...set].toSorted((a, b) => a - b).map((flag) => tapeAlert(flag));
}
