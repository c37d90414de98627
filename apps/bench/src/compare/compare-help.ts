/** What `biodone-bench compare --help` prints. */
export const COMPARE_HELP = `Usage: biodone-bench compare [options] [--rw=… --bs=… --iodepth=… …] SIDE SIDE …

Does the same job on every side, again and again, everything once before anything twice, and says
which sides differ by more than chance. The first side is what the others are compared with.

  SIDE                    an engine: uring, threads, sync, posixaio, promises, fs, fs-sync,
                          fs-promises, null; fio:ENGINE where fio is installed, as in fio:io_uring;
                          a stack of devices, as in 'device:mem(64m)';
                          or files of saved results, and then nothing else
  --repeats N             how often each side does the job (default: 5)
  --output-format FORMAT  normal, json, markdown, csv or html
  --output FILE           the report goes there; the file must not exist
  --directory DIR         make the test file in this folder (default: the system's temporary folder)
  -h, --help              print this

Options of the job are those of run, as --name=value. Without them: --rw=randread --bs=4k
--iodepth=32 --size=256m --runtime=1s, buffered, in a file that is removed at the end.

Exit status: 0; 1 where a side failed that began well, or none could be had; 2 where the request
was wrong (nothing is created then).`;
