import { closeSync, openSync, readSync } from 'node:fs';
import { EFBIG, SystemError } from '@biodone/uring';
import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachCrypt, openCrypt } from '../crypt.js';

export const cryptDefinition: DriverDefinition = defineDriver({
  name: 'crypt',
  summary: 'encrypted device (AES-256-XTS)',
  options: {
    device: { type: 'device', summary: 'what holds the encrypted data', required: true, position: 0 },
    keyFile: { type: 'path', summary: 'a file with the key, in binary' },
    passphraseFile: { type: 'path', summary: 'a file with the passphrase, up to the end of its first line' },
    key: { type: 'string', summary: 'the key, in hexadecimal digits; in JSON alone', secret: true, instead: 'keyFile' },
    passphrase: { type: 'string', summary: 'the passphrase; in JSON alone', secret: true, instead: 'passphraseFile' },
    headerless: { type: 'boolean', summary: 'the whole device is data, as dm-crypt has it', default: false },
    sectorBytes: { type: 'size', summary: 'what is encrypted at a time, without a header', minimum: 512 },
    blockSizeBytes: { type: 'size', summary: 'a divisor of the sector, for smaller writes', minimum: 1 },
    readOnly: { type: 'boolean', summary: 'refuses writes', default: false },
    allowDiscards: { type: 'boolean', summary: 'passes discards on, which shows what is in use', default: false },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 4096 },
  },
  open: ({ device, keyFile, passphraseFile, key, passphrase, ...cryptOptions }, { options, refuse }) => {
    const given = [keyFile, passphraseFile, key, passphrase].filter((value) => value !== undefined);
    if (given.length !== 1) throw refuse(null, 'a keyFile or a passphraseFile, and not both');
    if (key !== undefined && !/^([0-9a-f]{2})+$/i.test(key)) throw refuse('key', 'pairs of hexadecimal digits');
    const secret =
      key !== undefined
        ? { key: Buffer.from(key, 'hex') }
        : keyFile !== undefined
          ? { key: readSecret(keyFile) }
          : { passphrase: passphrase ?? firstLine(readSecret(passphraseFile as string)) };
    return openCrypt(device, { ...options, ...cryptOptions, ...secret });
  },
  attach: attachCrypt,
});

/** No key and no passphrase is longer, and /dev/zero has no end. */
const SECRET_MAX_BYTES = 65536;

function readSecret(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(SECRET_MAX_BYTES + 1);
    let length = 0;
    for (let count = 1; count > 0 && length < buffer.length; length += count)
      count = readSync(fd, buffer, length, buffer.length - length, null);
    if (length > SECRET_MAX_BYTES) throw new SystemError(EFBIG, 'read', path, `a key file has at most ${SECRET_MAX_BYTES} bytes`);
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

/** Editors end the last line, and nobody means that end. */
function firstLine(bytes: Buffer): Buffer {
  const end = bytes.findIndex((byte) => byte === 10 || byte === 13);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
