// Completions that are told by signals, for strace to see: node send-signals.mjs
import { aio_read, aio_suspend, aiocb, configure, LIO_NOWAIT, LIO_READ, lio_listio } from '@biodone/posix-aio';

const SIGUSR2 = 12;
let count = 0;
const alive = setInterval(() => {}, 1000);
await new Promise((resolve) => {
  process.on('SIGUSR2', () => {
    count += 1;
    resolve();
  });
  const cb = Object.assign(new aiocb(), { aio_buf: Buffer.alloc(1), aio_nbytes: 1 });
  cb.aio_sigevent = { sigev_notify: 0, sigev_signo: SIGUSR2, sigev_value: 4711 };
  aio_read(cb);
});
const list = [Object.assign(new aiocb(), { aio_buf: Buffer.alloc(1), aio_nbytes: 1, aio_lio_opcode: LIO_READ })];
lio_listio(LIO_NOWAIT, list, { sigev_notify: 0, sigev_signo: SIGUSR2, sigev_value: -2 });
aio_suspend(list);
while (count < 2) await new Promise((resolve) => setImmediate(resolve));
configure({ realTimeSignals: true });
const last = Object.assign(new aiocb(), { aio_buf: Buffer.alloc(1), aio_nbytes: 1 });
last.aio_sigevent = { sigev_notify: 0, sigev_signo: 40, sigev_value: 2n ** 40n };
console.log('signals', count);
clearInterval(alive);
// Node has no handler for it, so this is the end.
aio_read(last);
setTimeout(() => console.log('still there'), 5000);
