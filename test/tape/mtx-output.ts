/** What mtx prints when a changer refuses a command, `end` its own last line. */
export function requestSense(key: string, asc: string, ascq: string, end: string): string {
  return `mtx: Request Sense: Long Report=yes
mtx: Request Sense: Valid Residual=no
mtx: Request Sense: Error Code=70 (Current)
mtx: Request Sense: Sense Key=${key}
mtx: Request Sense: FileMark=no
mtx: Request Sense: EOM=no
mtx: Request Sense: ILI=no
mtx: Request Sense: Additional Sense Code = ${asc}
mtx: Request Sense: Additional Sense Qualifier = ${ascq}
mtx: Request Sense: BPV=no
mtx: Request Sense: Error in CDB=no
mtx: Request Sense: SKSV=no
${end}
`;
}
