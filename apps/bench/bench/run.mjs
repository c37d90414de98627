// The `bench` script of this workspace. npm starts scripts in the workspace's folder, but a file named after --json
// or --directory is meant from where the command was typed.
if (process.env.INIT_CWD !== undefined) process.chdir(process.env.INIT_CWD);

await import('../dist/main.js');
