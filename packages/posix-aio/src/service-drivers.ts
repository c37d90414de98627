import { BlockDevice, registerDriver } from '@biodone/blockdev';
import { ENOTSUP, SystemError } from '@biodone/uring';
import { FILE_COMMANDS, STREAM_COMMANDS } from './descriptor/command.js';
import type { CommandDriver } from './descriptor/command-driver.js';
import { FileCommands } from './descriptor/file-commands.js';
import { StreamCommands } from './descriptor/stream-commands.js';

// What each service thread of posix-aio imports: the drivers that its channel is of.

function register(name: string, make: (eventFd: number) => CommandDriver): void {
  registerDriver({
    name,
    summary: 'requests on descriptors, for service threads of posix-aio alone',
    options: {},
    open: () => {
      throw new SystemError(ENOTSUP, 'openDevice', undefined, `'${name}' is no device to be opened`);
    },
    attach: (handle) => new BlockDevice(make(handle['eventFd'] as number), {}, handle),
  });
}

register(FILE_COMMANDS, () => new FileCommands());
register(STREAM_COMMANDS, (eventFd) => new StreamCommands(eventFd));
