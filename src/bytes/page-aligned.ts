/* The part of the global that is used here; the compiler's library has it only together with the browser's. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

const wasmPage = 65536;

/**
 * A buffer that begins on a memory page, which direct I/O asks for. Node's own allocations start 16
 * bytes off a page; the memory of a WebAssembly instance starts on one by construction.
 */
export function pageAligned(length: number): Buffer {
  const pages = Math.ceil(length / wasmPage);
  return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, length);
}
