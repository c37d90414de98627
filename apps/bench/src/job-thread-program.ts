/** The program of a job's thread, as the build has made it. The path is the same from the sources and from what is built. */
export const JOB_THREAD_PROGRAM: URL = new URL('../dist/job-thread.js', import.meta.url);
