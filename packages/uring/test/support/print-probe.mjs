import { probe, Ring } from '@biodone/uring';

let ring = 'opened';
try {
  new Ring();
} catch (error) {
  ring = `${error.code} ${error.syscall}`;
}
console.log(JSON.stringify({ ...probe(), ring }));
