// Prints where service threads may run: what they say, and what the kernel says.
import { readFileSync } from 'node:fs';
import { AioOp, ServiceThreads } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';

const [threads, options] = process.argv.slice(2).map((text) => JSON.parse(text));
const device = openMem(65536);
const service = new ServiceThreads(device, 64, threads ?? undefined, options);
await new Promise((resolve) => {
  const op = new AioOp(null, 0);
  op.operation = 2;
  op.iodone = resolve;
  service.start(op);
});
const [{ cpu, bindError, task }] = service.statistics().threads;
const [, allowed] = /Cpus_allowed_list:\t(.*)/.exec(readFileSync(`/proc/self/task/${task}/status`, 'utf8'));
console.log(JSON.stringify({ cpu, bindError, allowed }));
await service.close();
await device.close();
