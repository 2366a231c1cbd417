/** Where in the sector the text stands. */
const textAt = 0x60;

/**
 * A boot sector that writes itself to the sixth sector of its disk, a text onto the serial line by the BIOS, and halts.
 * What it does at the end, `halt`, may be something else.
 */
export function bootSector(text: string, halt: readonly number[] = [0xf4, 0xeb, 0xfd]): Buffer {
  const code: number[][] = [
    // xor ax,ax; mov ds,ax; mov es,ax
    [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0],
    // mov ax,301h; mov bx,7c00h; mov cx,6; mov dh,0; int 13h
    [0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c, 0xb9, 0x06, 0x00, 0xb6, 0x00, 0xcd, 0x13],
    // mov si,text
    [0xbe, textAt, 0x7c],
    // lodsb; or al,al; jz +8; mov ah,1; xor dx,dx; int 14h; jmp lodsb
    [0xac, 0x08, 0xc0, 0x74, 0x08, 0xb4, 0x01, 0x31, 0xd2, 0xcd, 0x14, 0xeb, 0xf3],
    [...halt],
  ];
  const sector = Buffer.alloc(512);
  sector.set(code.flat());
  sector.write(`${text}\0`, textAt, 'latin1');
  sector.set([0x55, 0xaa], 510);
  return sector;
}
