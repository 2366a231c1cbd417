import type { Link } from './link.ts';
import {
  decodeInfoRequest,
  decodeMetaContextRequest,
  decodeOptionHeader,
  encodeBlockSizes,
  encodeExport,
  encodeInfo,
  encodeListed,
  encodeMetaContext,
  encodeOptionReply,
  optionHeaderLength,
} from './option.ts';
import {
  allocationContext,
  allocationContextId,
  handshake,
  helloMagic,
  infoTypes,
  longestName,
  longestRequest,
  optionReplies,
  optionTypes,
} from './protocol.ts';
import type { Served } from './served.ts';

/** What a client and the server have agreed upon. */
export interface Agreement {
  readonly served: Served;
  readonly structured: boolean;
  /** True when BLOCK_STATUS may be asked. */
  readonly allocation: boolean;
}

/** Data of an option up to here is looked at, bytes; up to the next it is passed over; beyond, the client is none. */
const longestData = 64 * 1024;
const longestSkipped = 1024 * 1024;

const { ack, server, info, metaContext, unsupported, policy, invalid, tlsRequired, unknown, tooBig } =
  optionReplies;

/** The handshake with one client: fixed newstyle. */
export class Negotiation {
  readonly #link: Link;
  readonly #exports: readonly Served[];
  #noZeroes = false;
  #structured = false;
  /** The export whose allocation was asked for. */
  #allocationOf: Served | null = null;

  constructor(link: Link, exports: readonly Served[]) {
    this.#link = link;
    this.#exports = exports;
  }

  /** Null where the client went away, or sent what no client sends. */
  async run(): Promise<Agreement | null> {
    const hello = Buffer.alloc(18);
    hello.write(helloMagic, 'latin1');
    hello.writeUInt16BE(handshake.fixedNewstyle | handshake.noZeroes, 16);
    if (!(await this.#link.send(hello))) return null;
    const flags = (await this.#link.inbox.take(4))?.readUInt32BE(0);
    if (flags === undefined || (flags & ~(handshake.fixedNewstyle | handshake.noZeroes)) !== 0) return null;
    this.#noZeroes = (flags & handshake.noZeroes) !== 0;
    for (;;) {
      const header = await this.#link.inbox.take(optionHeaderLength);
      const option = header === null ? null : decodeOptionHeader(header);
      if (option === null || option.length > longestSkipped) return null;
      if (option.length > longestData) {
        if (!(await this.#link.inbox.skip(option.length))) return null;
        if (!(await this.#reply(option.type, tooBig))) return null;
        continue;
      }
      const data = Buffer.alloc(option.length);
      if (!(await this.#link.inbox.fill(data))) return null;
      const outcome = await this.#answer(option.type, data);
      if (outcome === 'ended') return null;
      if (outcome !== 'next') return outcome;
    }
  }

  /** True when the reply went out. */
  #reply(option: number, type: number, data?: Buffer): Promise<boolean> {
    return this.#link.send(encodeOptionReply(option, type, data));
  }

  async #refuse(option: number, type: number, message: string): Promise<'next' | 'ended'> {
    return (await this.#reply(option, type, Buffer.from(message))) ? 'next' : 'ended';
  }

  async #answer(option: number, data: Buffer): Promise<Agreement | 'next' | 'ended'> {
    if (this.#link.wantsTls && option !== optionTypes.startTls && option !== optionTypes.abort) {
      // EXPORT_NAME has no reply that says no.
      if (option === optionTypes.exportName) return 'ended';
      return this.#refuse(option, tlsRequired, 'Ask for TLS first.');
    }
    switch (option) {
      case optionTypes.exportName:
        return this.#exportName(data);
      case optionTypes.abort:
        await this.#reply(option, ack);
        return 'ended';
      case optionTypes.list:
        return this.#list(data);
      case optionTypes.startTls:
        return this.#startTls(data);
      case optionTypes.info:
      case optionTypes.go:
        return this.#info(option, data);
      case optionTypes.structuredReply:
        if (data.length > 0) return this.#refuse(option, invalid, 'This option has no data.');
        this.#structured = true;
        return (await this.#reply(option, ack)) ? 'next' : 'ended';
      case optionTypes.listMetaContext:
      case optionTypes.setMetaContext:
        return this.#metaContext(option, data);
      default:
        return this.#refuse(option, unsupported, 'This server knows no such option.');
    }
  }

  #find(name: string): Served | undefined {
    return name === '' ? this.#exports[0] : this.#exports.find((served) => served.name === name);
  }

  #agreed(served: Served): Agreement {
    return { served, structured: this.#structured, allocation: this.#allocationOf === served };
  }

  async #exportName(data: Buffer): Promise<Agreement | 'ended'> {
    const served = data.length > longestName ? undefined : this.#find(data.toString('utf8'));
    if (served === undefined) return 'ended';
    const facts = encodeExport(served.device.size, served.flags(this.#structured));
    const bytes = this.#noZeroes ? facts : Buffer.concat([facts, Buffer.alloc(124)]);
    return (await this.#link.send(bytes)) ? this.#agreed(served) : 'ended';
  }

  async #list(data: Buffer): Promise<'next' | 'ended'> {
    const option = optionTypes.list;
    if (data.length > 0) return this.#refuse(option, invalid, 'This option has no data.');
    for (const { name, description } of this.#exports) {
      if (!(await this.#reply(option, server, encodeListed(name, description)))) return 'ended';
    }
    return (await this.#reply(option, ack)) ? 'next' : 'ended';
  }

  async #startTls(data: Buffer): Promise<'next' | 'ended'> {
    const option = optionTypes.startTls;
    if (data.length > 0) return this.#refuse(option, invalid, 'This option has no data.');
    if (this.#link.secure) return this.#refuse(option, invalid, 'TLS is on already.');
    if (!this.#link.wantsTls) return this.#refuse(option, policy, 'This server has no certificate.');
    if (!(await this.#link.startTls(encodeOptionReply(option, ack)))) return 'ended';
    // What was said in the clear may have been said by anybody.
    this.#structured = false;
    this.#allocationOf = null;
    return 'next';
  }

  async #info(option: number, data: Buffer): Promise<Agreement | 'next' | 'ended'> {
    const request = decodeInfoRequest(data);
    if (request === null) return this.#refuse(option, invalid, 'The request is malformed.');
    const served = this.#find(request.name);
    if (served === undefined) return this.#refuse(option, unknown, 'There is no export of that name.');
    const { least, preferred } = served.blockSizes;
    const replies = [
      encodeInfo(infoTypes.export, encodeExport(served.device.size, served.flags(this.#structured))),
      encodeBlockSizes(least, preferred, longestRequest),
    ];
    if (request.infos.includes(infoTypes.name)) {
      replies.push(encodeInfo(infoTypes.name, Buffer.from(served.name)));
    }
    if (request.infos.includes(infoTypes.description)) {
      replies.push(encodeInfo(infoTypes.description, Buffer.from(served.description)));
    }
    for (const reply of replies) {
      if (!(await this.#reply(option, info, reply))) return 'ended';
    }
    if (!(await this.#reply(option, ack))) return 'ended';
    return option === optionTypes.go ? this.#agreed(served) : 'next';
  }

  async #metaContext(option: number, data: Buffer): Promise<'next' | 'ended'> {
    const setting = option === optionTypes.setMetaContext;
    const request = decodeMetaContextRequest(data);
    if (request === null || !this.#structured) {
      const why = request === null ? 'The request is malformed.' : 'Ask for structured replies first.';
      return this.#refuse(option, invalid, why);
    }
    if (setting) this.#allocationOf = null;
    const served = this.#find(request.name);
    if (served === undefined) return this.#refuse(option, unknown, 'There is no export of that name.');
    const { queries } = request;
    const all = !setting && (queries.length === 0 || queries.includes('base:'));
    if (all || queries.includes(allocationContext)) {
      if (setting) this.#allocationOf = served;
      // In a list the number means nothing.
      const id = setting ? allocationContextId : 0;
      if (!(await this.#reply(option, metaContext, encodeMetaContext(id, allocationContext)))) return 'ended';
    }
    return (await this.#reply(option, ack)) ? 'next' : 'ended';
  }
}
