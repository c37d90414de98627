import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, openNull, registerDriver } from '@biodone/blockdev';

let before = null;
try {
  attachDevice(workerData);
} catch (error) {
  before = error.code;
}
const attach = () => openNull(7);
registerDriver({ name: workerData.driver, summary: 'a driver of this worker', options: {}, open: attach, attach });
const device = attachDevice(workerData);
parentPort.postMessage({ before, after: device.describe() });
await device.close();
