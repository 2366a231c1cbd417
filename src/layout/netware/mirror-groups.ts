import type { MirrorHeader } from './mirror-header.ts';
import { remark, warning, type NetwareNotice } from './notice.ts';

/** A partition as far as mirroring is concerned. */
export interface MirrorCandidate {
  /** For messages: `disk1 partition 2`. */
  readonly name: string;
  readonly mirror: MirrorHeader | null;
}

/** One partition of a mirrored group. */
export interface MirrorMember {
  readonly id: number;
  /** Index of the partition, or null where it is on no disk that was given. */
  readonly partition: number | null;
  readonly inSync: boolean;
}

/** Partitions that carry the same data. */
export interface MirrorGroup {
  readonly group: number;
  readonly members: readonly MirrorMember[];
  /** Indices of the partitions the data is read from, best first. */
  readonly used: readonly number[];
}

/**
 * The mirrored groups among partitions. A member is out of sync when any header of the group says so:
 * its own may date from before it fell behind. Where each says so of the other, the header that counted
 * further is believed, and it is said. A group of which two partitions claim to be the same member is none.
 */
export function mirrorGroups(partitions: readonly MirrorCandidate[]): {
  groups: MirrorGroup[];
  notices: NetwareNotice[];
} {
  const byGroup = new Map<number, number[]>();
  for (const [index, { mirror }] of partitions.entries()) {
    if (mirror === null || mirror.members.filter((id) => id !== 0).length < 2) continue;
    byGroup.set(mirror.group, [...(byGroup.get(mirror.group) ?? []), index]);
  }
  const groups: MirrorGroup[] = [];
  const notices: NetwareNotice[] = [];
  for (const [group, indices] of byGroup) {
    const headers = indices.map((index) => ({ index, header: partitions[index]!.mirror! }));
    const ids = headers.map(({ header }) => header.id);
    if (new Set(ids).size < ids.length) {
      notices.push(
        warning(
          'netware-mirror',
          `${indices.map((index) => partitions[index]!.name).join(' and ')} claim to be the same member of a mirrored group; they are taken one by one.`,
          { group, ids },
        ),
      );
      continue;
    }
    const found = groupOf(group, headers);
    groups.push(found);
    notices.push(told(found, partitions));
  }
  return { groups, notices };
}

interface Present {
  readonly index: number;
  readonly header: MirrorHeader;
}

function groupOf(group: number, headers: readonly Present[]): MirrorGroup {
  const ids = [...new Set(headers.flatMap(({ header }) => header.members.filter((id) => id !== 0)))];
  const members = ids.map((id): MirrorMember => {
    const present = headers.find(({ header }) => header.id === id);
    return {
      id,
      partition: present?.index ?? null,
      inSync: !headers.some(({ header }) => saysBehind(header, id)),
    };
  });
  const good = headers.filter(({ header }) => members.some(({ id, inSync }) => id === header.id && inSync));
  if (good.length > 0) return { group, members, used: sameSize(good) };
  const best = headers.toSorted((a, b) => b.header.sync - a.header.sync || a.index - b.index)[0]!;
  return { group, members, used: [best.index] };
}

function saysBehind(header: MirrorHeader, id: number): boolean {
  const slot = header.members.indexOf(id);
  return slot >= 0 && (header.deviceBad & (1 << slot)) !== 0;
}

function sameSize(good: readonly Present[]): number[] {
  const size = good[0]!.header.dataSectors;
  return good.filter(({ header }) => header.dataSectors === size).map(({ index }) => index);
}

function told(found: MirrorGroup, partitions: readonly MirrorCandidate[]): NetwareNotice {
  const { group, members, used } = found;
  const leader = partitions[used[0]!]!.name;
  const absent = members.filter(({ partition }) => partition === null).length;
  const behind = members.flatMap(({ partition, inSync }) =>
    partition === null || inSync ? [] : [partitions[partition]!.name],
  );
  const facts = {
    group,
    members: members.length,
    absent,
    behind,
    used: used.map((index) => partitions[index]!.name),
  };
  const words = [
    `${leader} belongs to a mirrored group of ${members.length} partitions`,
    absent > 0 ? `of which ${absent} are not here` : '',
    behind.length > 0 ? `${behind.join(' and ')} out of sync` : '',
    behind.length > 0 && behind.includes(leader)
      ? `and no member in sync, so that ${leader}, which counted furthest, is read`
      : `read from ${leader}`,
  ].filter((part) => part !== '');
  const make = behind.length > 0 ? warning : remark;
  return make('netware-mirror', `${words.join(', ')}.`, facts);
}
