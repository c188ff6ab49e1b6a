// An nginx that keeps to one folder and the foreground. Used as a peer and as the upstream of all peers.

/** `http` is the content of the http block. */
export function nginxConfiguration(folder: string, http: string, workers = 1): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 18000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${http}
}
`;
}

/** Command and arguments; the compiled-in log file is never opened. */
export function nginxCommand(file: string, folder: string): [command: string, args: readonly string[]] {
  return ['nginx', ['-p', folder, '-e', 'stderr', '-c', file]];
}
