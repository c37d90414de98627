import { type DriverDefinition, defineDriver, registerDriver } from '@biodone/blockdev';
import { openCrash } from './crash.js';
import { openFault } from './fault.js';
import { openLogWrites } from './log-writes.js';
import { openPattern } from './pattern.js';
import { openVerify } from './verify.js';

const CHILD = { type: 'device', summary: 'what is below', required: true, position: 0 } as const;

const definitions: readonly DriverDefinition[] = [
  defineDriver({
    name: 'fault',
    summary: 'goes wrong by rules, of which it has none at first',
    options: { child: CHILD, seed: { type: 'integer', summary: 'decides what probabilities do', default: 1 } },
    open: ({ child, seed }, { options }) => openFault(child, { ...options, seed }),
  }),
  defineDriver({
    name: 'crash',
    summary: 'a volatile write cache that can be lost',
    options: {
      child: CHILD,
      fua: { type: 'choice', summary: 'who makes FUA writes stable', choices: ['native', 'emulate'], default: 'native' },
      stepped: { type: 'boolean', summary: 'keeps requests until they are let go', default: false },
    },
    open: ({ child, fua, stepped }, { options }) => openCrash(child, { ...options, fua, stepped }),
  }),
  defineDriver({
    name: 'verify',
    summary: 'checks what it reads',
    options: {
      child: CHILD,
      contents: { type: 'choice', summary: 'what it holds at first', choices: ['zeros', 'unknown'], default: 'unknown' },
    },
    open: ({ child, contents }, { options }) => openVerify(child, { ...options, contents }),
  }),
  defineDriver({
    name: 'log-writes',
    summary: 'keeps what is written',
    options: { child: CHILD },
    open: ({ child }, { options }) => openLogWrites(child, options),
  }),
  defineDriver({
    name: 'pattern',
    summary: 'reads as a pattern, and takes no other writes',
    options: {
      sizeBytes: { type: 'size', summary: 'how large it is', required: true, position: 0 },
      generation: { type: 'integer', summary: 'which pattern', default: 0 },
    },
    open: ({ sizeBytes, generation }, { options }) => openPattern(sizeBytes, { ...options, generation }),
  }),
];

/**
 * Lets `openDevice` know the test devices fault, crash, verify, log-writes and pattern in this thread, so that it opens what their `config()`
 * says. What they know besides, as rules and logs, is not in it; they open anew.
 *
 * @example
 * ```js
 * import { openDevice } from '@biodone/blockdev';
 * import { registerTestDrivers } from '@biodone/testkit';
 *
 * const unregister = registerTestDrivers();
 * const device = await openDevice('verify(mem:64k,contents=zeros)');
 * console.log(device.config().driver); // verify
 * await device.close();
 * unregister();
 * ```
 *
 * @returns takes them out again
 * @throws TypeError ERR_INVALID_ARG_VALUE if one of the names is in use, as after a call before
 */
export function registerTestDrivers(): () => void {
  const undo: (() => void)[] = [];
  const unregister = (): void => {
    for (const remove of undo.splice(0)) remove();
  };
  try {
    for (const definition of definitions) undo.push(registerDriver(definition));
  } catch (error) {
    unregister();
    throw error;
  }
  return unregister;
}
