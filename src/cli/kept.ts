import { Writable } from 'node:stream';

/** Writes to `output` and leaves it open when it is ended: a prompt ends the stream it was given. */
export function kept(output: Writable & { readonly columns?: number }): Writable {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output.write(chunk);
      done();
    },
  });
  return output.columns === undefined ? stream : Object.assign(stream, { columns: output.columns });
}
