/** What `--help` prints. */
export const HELP = `Usage: biodone-bench [options] [PATH]
       biodone-bench run …        jobs, as fio has them
       biodone-bench compare …    engines, devices, fio, saved results
       biodone-bench gate …       new results against old ones, for builds

Measures biodone side by side with what Node.js offers: 4 KiB random reads and writes, 1 MiB
sequential reads and writes, in a file of its own, through the page cache and past it. The file
is removed at the end.

  PATH               make the test file here; it must not exist
  --directory DIR    make the test file in this folder (default: the system's temporary folder)
  --size SIZE        how large the test file is, with k, m or g (default: 256m)
  --seconds N        how long the whole run takes (default: 50)
  --repeats N        how often everything is measured (default: 5)
  --quick            a smoke test of some seconds: 64m, 5 seconds, 1 repeat
  --json FILE        write the results there too
  --fio              print the fio commands that do the same, too
  -h, --help         print this
  --version          print the version

Exit status: 0, 1 where measuring failed, 2 where the request was wrong (nothing is created then).`;
