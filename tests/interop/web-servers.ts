/** nginx and HAProxy as servers that say, in the page, whether the session was resumed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChainFiles } from '../support/certs.ts';
import { type PeerServer, startPeerServer } from '../support/peer.ts';

export interface NginxOptions {
  readonly folder: string;
  readonly files: ChainFiles;
  /** Directives of the server block. */
  readonly directives: readonly string[];
  /** `ssl_certificate` and `ssl_certificate_key`, when they are not `files`. */
  readonly certificates?: readonly { readonly chain: string; readonly key: string }[];
}

/** Its page: `reused=r TLSv1.3 CN=…`, or `reused=. …`. */
export function startNginx(path: string, options: NginxOptions): Promise<PeerServer> {
  const { folder, files, directives, certificates = [files] } = options;
  const own = join(folder, 'nginx');
  mkdirSync(own, { recursive: true });
  return startPeerServer({
    path,
    args: (port) => {
      const config = join(own, 'nginx.conf');
      writeFileSync(
        config,
        `daemon off; master_process off; pid ${own}/nginx.pid; error_log stderr info;
events {}
http {
  access_log off;
  client_body_temp_path ${own}; proxy_temp_path ${own}; fastcgi_temp_path ${own};
  uwsgi_temp_path ${own}; scgi_temp_path ${own};
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ${certificates.map(({ chain, key }) => `ssl_certificate ${chain}; ssl_certificate_key ${key};`).join('\n    ')}
    ${directives.join('\n    ')}
    location / { return 200 "reused=$ssl_session_reused $ssl_protocol $ssl_client_s_dn\\n"; }
  }
}
`,
      );
      return ['-p', own, '-c', config];
    },
  });
}

/** Its page: `reused=1 TLSv1.3`, or `reused=0 …`. */
export function startHaproxy(
  path: string,
  options: { readonly folder: string; readonly pem: string; readonly keys: string },
): Promise<PeerServer> {
  const { folder, pem, keys } = options;
  const config = join(folder, 'haproxy.cfg');
  return startPeerServer({
    path,
    args: (port) => {
      writeFileSync(
        config,
        `global
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend site
  bind 127.0.0.1:${port} ssl crt ${pem} tls-ticket-keys ${keys}
  http-request return status 200 content-type text/plain lf-string "reused=%[ssl_fc_is_resumed] %[ssl_fc_protocol]\\n"
`,
      );
      return ['-db', '-f', config];
    },
  });
}
