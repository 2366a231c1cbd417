/** Plain bytes and groups that are asked for ahead of who takes them. */
const mostBytes = 32 * 1024 * 1024;
const mostGroups = 64;

/**
 * What `read` gives of each item, in their order, several asked for ahead within bounds. Ended early, `read` is
 * told by its signal.
 */
export async function* inOrder<T, R>(
  items: Iterable<T>,
  bytesOf: (item: T) => number,
  read: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly item: T; readonly result: R }, void, undefined> {
  const own = new AbortController();
  const both = signal === undefined ? own.signal : AbortSignal.any([own.signal, signal]);
  const rest = items[Symbol.iterator]();
  const ahead: { readonly item: T; readonly length: number; readonly result: Promise<R> }[] = [];
  let bytes = 0;
  const ask = (): void => {
    while (ahead.length < mostGroups && (ahead.length === 0 || bytes < mostBytes)) {
      const next = rest.next();
      if (next.done === true) return;
      const length = bytesOf(next.value);
      const result = read(next.value, both);
      // It is met in its turn, or nobody is left to meet it.
      result.catch(() => {});
      ahead.push({ item: next.value, length, result });
      bytes += length;
    }
  };
  try {
    for (ask(); ahead.length > 0; ask()) {
      both.throwIfAborted();
      const { item, length, result } = ahead.shift()!;
      yield { item, result: await result };
      bytes -= length;
    }
  } finally {
    own.abort(new DOMException('Nobody takes it any more.', 'AbortError'));
  }
}
