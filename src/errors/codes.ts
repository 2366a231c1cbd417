/**
 * Every error code with the exit status it ends the command with and its meaning.
 * `docs/errors.md` is generated from this table. Statuses 10 to 12 and 130 are those of restic.
 */
export const exitStatuses = {
  ok: 0,
  failed: 1,
  usage: 2,
  exceptions: 3,
  drift: 4,
  refused: 5,
  unanswered: 6,
  integrity: 7,
  mediumNeeded: 8,
  mismatch: 9,
  noSet: 10,
  locked: 11,
  wrongKey: 12,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitName = keyof typeof exitStatuses;

interface CodeEntry {
  readonly exit: ExitName;
  readonly meaning: string;
}

/* One line a code, grouped by the folder that throws it, sorted inside the group. */
export const codes = {
  // errors, cli
  internal: { exit: 'failed', meaning: 'A state that should be impossible; please report it.' },
  interrupted: { exit: 'interrupted', meaning: 'The person stopped the command.' },
  usage: { exit: 'usage', meaning: 'The command line is not understood.' },
  // system
  'program-failed': { exit: 'failed', meaning: 'A helper program ended with an error.' },
  'program-missing': { exit: 'failed', meaning: 'A helper program is not installed.' },
  'not-permitted': { exit: 'failed', meaning: 'The operation needs more rights.' },
  // bytes
  'field-range': { exit: 'failed', meaning: 'A value does not fit the field it is written to or read from.' },
  // disk
  'disk-busy': { exit: 'refused', meaning: 'The disk or a part of it is mounted or otherwise in use.' },
  'disk-gone': { exit: 'failed', meaning: 'A disk vanished while it was in use.' },
  'disk-not-found': { exit: 'failed', meaning: 'No disk or image file answers the description.' },
  'disk-read-failed': { exit: 'failed', meaning: 'Sectors could not be read.' },
  'disk-write-failed': { exit: 'failed', meaning: 'Sectors could not be written.' },
  'disk-range': { exit: 'failed', meaning: 'A read or write outside the disk or off its sector grid.' },
  // layout
  'layout-damaged': {
    exit: 'failed',
    meaning: 'A partition table is damaged beyond what its copies can repair.',
  },
  'layout-sector-size': {
    exit: 'failed',
    meaning: 'A partition table was written for another sector size than the disk is read with.',
  },
  'layout-unknown': {
    exit: 'failed',
    meaning: 'A layout record is of a version or shape this program does not know.',
  },
  'hotfix-full': {
    exit: 'failed',
    meaning: 'Sectors of a NetWare partition fail and its hotfix area has no spare unit left.',
  },
  'netware-unknown': {
    exit: 'failed',
    meaning: 'A partition of the NetWare type holds no NetWare 386 structures.',
  },
  // file systems
  'filesystem-damaged': { exit: 'failed', meaning: 'A file system structure contradicts itself.' },
  'path-not-found': { exit: 'usage', meaning: 'The volume holds no file of that name.' },
  'deleted-left-out': {
    exit: 'failed',
    meaning: 'The set was made without the contents of deleted files.',
  },
  'file-exists': { exit: 'refused', meaning: 'A file that would be written is there already.' },
  // medium
  'medium-failed': { exit: 'failed', meaning: 'The medium could not be read or written.' },
  'medium-full': {
    exit: 'mediumNeeded',
    meaning: 'The medium is full and there is no next part to go on with.',
  },
  'medium-not-found': { exit: 'noSet', meaning: 'There is no medium at that address.' },
  'set-exists': { exit: 'refused', meaning: 'The medium holds a set of that name already.' },
  'part-missing': { exit: 'mediumNeeded', meaning: 'A part of a set that spans several is not there.' },
  // tape
  'block-unreadable': { exit: 'integrity', meaning: 'A block of a cartridge could not be read.' },
  'cartridge-full': { exit: 'mediumNeeded', meaning: 'A cartridge has no room for what is to be written.' },
  'cartridge-needed': { exit: 'mediumNeeded', meaning: 'A cartridge is wanted and nobody can bring it.' },
  'cartridge-protected': {
    exit: 'refused',
    meaning: 'A cartridge is write-protected, or can be written only once.',
  },
  'cartridge-unlabelled': { exit: 'refused', meaning: 'A cartridge has no label of ours.' },
  'cartridge-wrong': {
    exit: 'mediumNeeded',
    meaning: 'The cartridge in the drive is not the one that is wanted.',
  },
  'changer-failed': { exit: 'failed', meaning: 'A changer could not move a cartridge or say what it holds.' },
  'changer-not-found': { exit: 'failed', meaning: 'No changer answers the description.' },
  'drive-busy': { exit: 'locked', meaning: 'Another program uses the tape drive.' },
  'drive-empty': { exit: 'mediumNeeded', meaning: 'No cartridge is in the tape drive.' },
  'drive-failed': { exit: 'failed', meaning: 'The tape drive reported an error.' },
  'drive-not-found': { exit: 'failed', meaning: 'No tape drive answers the description.' },
  'drive-not-ready': { exit: 'failed', meaning: 'The tape drive did not become ready in time.' },
  'foreign-cartridge': { exit: 'refused', meaning: 'A cartridge holds what another program wrote.' },
  'library-invalid': {
    exit: 'usage',
    meaning: 'A folder is no virtual tape library, or a file of it is no cartridge.',
  },
  'position-lost': {
    exit: 'failed',
    meaning: 'The tape stands elsewhere than it was left: it was reset, changed or moved by another program.',
  },
  // archive
  'not-a-set': { exit: 'noSet', meaning: 'What is there is not a backup set.' },
  'no-such-set': { exit: 'noSet', meaning: 'The medium holds no set of that name.' },
  'record-damaged': { exit: 'integrity', meaning: 'A record does not match its checksum or header.' },
  'record-missing': { exit: 'integrity', meaning: 'Records are missing from the sequence.' },
  'record-doubled': { exit: 'integrity', meaning: 'A record occurs twice.' },
  'record-misplaced': {
    exit: 'integrity',
    meaning: 'Records stand in the wrong order or belong to another set.',
  },
  'set-incomplete': { exit: 'integrity', meaning: 'The backup that wrote this set did not finish.' },
  'set-truncated': { exit: 'integrity', meaning: 'The set ends before its last record.' },
  'set-too-new': { exit: 'failed', meaning: 'The set has a format version this program does not know.' },
  'set-encrypted': { exit: 'wrongKey', meaning: 'The set is encrypted and no matching key was given.' },
  'chain-base-unfit': {
    exit: 'refused',
    meaning: 'The set cannot be what an incremental backup builds on.',
  },
  'chain-link-foreign': {
    exit: 'refused',
    meaning: 'A set of that name is there, but it is not the one the chain needs.',
  },
  'chain-link-missing': {
    exit: 'mediumNeeded',
    meaning: 'An earlier set that an incremental one needs is not there.',
  },
  'chain-out-of-order': { exit: 'refused', meaning: 'The sets of a chain do not follow one another.' },
  // backup
  'source-mounted': { exit: 'refused', meaning: 'The source is mounted and would change while it is read.' },
  'source-is-medium': { exit: 'refused', meaning: 'The backup would be written onto the disk it images.' },
  // restore
  'plan-mismatch': { exit: 'refused', meaning: 'The plan is not the one that was asked for.' },
  'plan-unreadable': { exit: 'usage', meaning: 'The plan file is not a plan this program knows.' },
  'grow-impossible': { exit: 'refused', meaning: 'The volume that was to take the extra room cannot grow.' },
  'journal-foreign': {
    exit: 'refused',
    meaning: 'The journal found on the target belongs to another restore.',
  },
  'target-ambiguous': { exit: 'refused', meaning: 'More than one disk answers the description of a target.' },
  'target-doubled': {
    exit: 'refused',
    meaning: 'Two disks of the set would be written onto one target.',
  },
  'target-holds-data': { exit: 'refused', meaning: 'The target holds data that nobody released.' },
  'target-is-source': { exit: 'refused', meaning: 'The target is the boot medium or holds the backup set.' },
  'target-not-found': { exit: 'refused', meaning: 'No disk answers the description of a target.' },
  'target-sector-size': { exit: 'refused', meaning: 'The target has another sector size than the source.' },
  'target-too-small': { exit: 'refused', meaning: 'The target is too small.' },
  'target-changed': { exit: 'refused', meaning: 'The target is not the disk the plan was made for.' },
  'volume-not-found': { exit: 'usage', meaning: 'The set or the disks hold no volume of that name.' },
  'verify-mismatch': { exit: 'mismatch', meaning: 'What was read back differs from what was written.' },
  'restore-incomplete': {
    exit: 'exceptions',
    meaning: 'The restore finished with exceptions, which the report lists.',
  },
  // mount
  'mount-failed': { exit: 'failed', meaning: 'The volume of a set could not be attached or mounted.' },
  'not-mounted': { exit: 'usage', meaning: 'Nothing of a set is mounted there.' },
  'overlay-full': {
    exit: 'failed',
    meaning: 'What was written to a mounted image has filled the room it was given.',
  },
  'overlay-unusable': {
    exit: 'failed',
    meaning: 'A file of --keep holds something else, is damaged, or cannot be written.',
  },
  'server-failed': {
    exit: 'failed',
    meaning: 'The server of a mounted volume has ended before it was asked to.',
  },
  'target-unwritable': { exit: 'failed', meaning: 'A file that is extracted cannot be written.' },
  // drill
  'drill-failed': { exit: 'mismatch', meaning: 'The machine restored for the drill did not come up.' },
  // agent
  'answers-invalid': { exit: 'usage', meaning: 'The answers file does not follow its schema.' },
  'answers-missing': { exit: 'unanswered', meaning: 'An unattended run has a question nobody answered.' },
  // appliance
  'build-failed': { exit: 'failed', meaning: 'The appliance could not be built.' },
  'package-unverified': {
    exit: 'failed',
    meaning: 'A package could not be fetched or did not match its signature.',
  },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof codes;

/** The exit status a coded error ends the command with. */
export function exitStatusOf(code: ErrorCode): number {
  return exitStatuses[codes[code].exit];
}
