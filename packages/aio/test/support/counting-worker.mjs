// A service thread that knows the driver 'counting'.
import './counting-driver.mjs';

await import(new URL('./service-thread.js', import.meta.resolve('@biodone/aio')));
