/** What a server grants; tests have their own. */
export interface Limits {
  /** Connections at a time; further ones are closed at once. */
  readonly connections: number;
  /** Requests of one connection that are not answered yet; further ones are not read. */
  readonly requests: number;
  /** Bytes of all requests in flight, at least that of the longest request. */
  readonly room: number;
  /** Milliseconds until a client must have chosen an export. */
  readonly handshake: number;
  /** Milliseconds without a byte moved after which a client that holds room others wait for is dropped. */
  readonly stall: number;
  /** Milliseconds that requests in flight have left when the server closes. */
  readonly grace: number;
}

export const usualLimits: Limits = {
  connections: 64,
  requests: 64,
  room: 64 * 1024 * 1024,
  handshake: 30_000,
  stall: 60_000,
  grace: 5_000,
};
