/** Why no filter can be installed here, or null. */
export const refusal: string | null;
export function forbidCalls(first: number, last: number, errno: number): void;
export function forbidArguments(number: number, first: number, second: number, errno: number): void;
