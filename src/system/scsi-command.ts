import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { addressOf, ioctl, systemFailure } from './native.ts';
import type { ScsiAnswer, ScsiRequest } from './tape-device.ts';

/* <scsi/sg.h> */
const SG_IO = 0x2285;
const SG_DXFER_NONE = -1;
const SG_DXFER_TO_DEV = -2;
const SG_DXFER_FROM_DEV = -3;
const sgHeaderLength = 88;
const senseRoom = 252;
/** Of host_status: the adapter gave up waiting (<scsi/scsi_status.h>, DID_TIME_OUT). */
const hostTimedOut = 3;

/* <asm-generic/errno-base.h>, <asm-generic/errno.h> */
const EIO = 5;
const ETIMEDOUT = 110;

/** A command is given so long where the caller says nothing. */
const commandMilliseconds = 60_000;

/**
 * Sends a command to an open SCSI device (SG_IO) and resolves whatever it answers. Throws a system error
 * where no answer came.
 *
 * struct sg_io_hdr: interface id, direction, lengths of command and sense, scatter count, length of the
 * data, pointers to data, command and sense, time out; the answer from byte 64.
 */
export async function sendCommand(fd: number, request: ScsiRequest): Promise<ScsiAnswer> {
  const command = Buffer.from(request.command);
  const sense = Buffer.alloc(senseRoom);
  const data = request.send === undefined ? Buffer.alloc(request.receive ?? 0) : Buffer.from(request.send);
  const direction =
    data.length === 0 ? SG_DXFER_NONE : request.send === undefined ? SG_DXFER_FROM_DEV : SG_DXFER_TO_DEV;
  const header = Buffer.alloc(sgHeaderLength);
  header.writeInt32LE('S'.charCodeAt(0), 0);
  header.writeInt32LE(direction, 4);
  header.writeUInt8(command.length, 8);
  header.writeUInt8(senseRoom, 9);
  header.writeUInt32LE(data.length, 12);
  header.writeBigUInt64LE(data.length === 0 ? 0n : addressOf(data), 16);
  header.writeBigUInt64LE(addressOf(command), 24);
  header.writeBigUInt64LE(addressOf(sense), 32);
  header.writeUInt32LE(request.milliseconds ?? commandMilliseconds, 40);
  await ioctl(fd, SG_IO, header, 'SG_IO', command, sense, data);
  const status = header.readUInt8(64);
  const hostStatus = header.readUInt16LE(68);
  // Then it is not the drive that answered.
  if (hostStatus !== 0 && status === 0) {
    throw systemFailure(`SG_IO, adapter status ${hostStatus}`, hostStatus === hostTimedOut ? ETIMEDOUT : EIO);
  }
  const residue = header.readInt32LE(72);
  const came = request.send === undefined ? data.length - Math.min(Math.max(residue, 0), data.length) : 0;
  return { status, sense: sense.subarray(0, header.readUInt8(67)), data: data.subarray(0, came) };
}

/** Sends a command to a device by its node of the generic driver, `/dev/sg3`. Throws a system error. */
export async function sendTo(path: string, request: ScsiRequest): Promise<ScsiAnswer> {
  const handle = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    return await sendCommand(handle.fd, request);
  } finally {
    await handle.close();
  }
}
