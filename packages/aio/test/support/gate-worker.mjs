// A service thread that knows the driver 'gate'.
import './gate-driver.mjs';

await import(new URL('./service-thread.js', import.meta.resolve('@biodone/aio')));
