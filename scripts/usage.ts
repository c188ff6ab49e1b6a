// `--help` of the scripts: says what they take and does nothing.

/** `usage`: 'npm run build -- [FOLDER]', and lines about it. Ends the process when it was asked for. */
export function tellUsage(usage: string): void {
  if (!process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) return;
  process.stdout.write(`usage: ${usage}\n`);
  process.exit(0);
}
