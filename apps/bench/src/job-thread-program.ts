/** The program of a job's thread. It is built beside this module, whichever file that ends up in. */
export const JOB_THREAD_PROGRAM: URL = new URL('./job-thread.js', import.meta.url);
