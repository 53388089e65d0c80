#!/bin/bash
# Starts nginx and Node over one ticket key, and resumes at each what was made at the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export PATH="$PATH:/usr/sbin"
NGINX_PORT=${NGINX_PORT:-8443}
export NODE_PORT=${NODE_PORT:-9443}
NODE=${NODE:-node}

site=$(mktemp -d)
servers=()
finish() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
  wait
  rm -rf "$site"
}
trap finish EXIT

# The certificate and the key that both have. 80 bytes: name 16, HMAC 32, AES 32.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$site/site.key" -out "$site/site.pem" 2>/dev/null
(umask 077 && openssl rand 80 >"$site/ticket.key")

sed "s/127\.0\.0\.1:8443/127.0.0.1:$NGINX_PORT/" nginx.conf >"$site/nginx.conf"
nginx -p "$site" -c nginx.conf -e stderr &
servers+=($!)
"$NODE" server.mjs "$site" >"$site/node.out" &
servers+=($!)

# visit PORT VERSION HOW FILE: what the server says of the session
visit() {
  printf 'GET / HTTP/1.0\r\n\r\n' |
    openssl s_client -connect "127.0.0.1:$1" -servername localhost -CAfile "$site/site.pem" -verify_return_error \
      "$2" "$3" "$4" -ign_eof 2>/dev/null | sed -n 's/\r//; s/^\(nginx\|Node\) \([r.]\)$/\2/p'
}

for port in "$NGINX_PORT" "$NODE_PORT"; do
  for ((tries = 0; tries < 100; tries++)); do
    [[ $(visit "$port" -tls1_3 -sess_out "$site/any.pem") == . ]] && break
    sleep 0.1
  done
done

failed=0
# crosses VERSION NAME PORT NAME PORT
crosses() {
  local made resumed
  made=$(visit "$3" "$([[ $1 == 1.3 ]] && echo -tls1_3 || echo -tls1_2)" -sess_out "$site/session.pem")
  resumed=$(visit "$5" "$([[ $1 == 1.3 ]] && echo -tls1_3 || echo -tls1_2)" -sess_in "$site/session.pem")
  echo "TLS $1: made at $2 ($made), resumed at $4 ($resumed)"
  [[ $made == . && $resumed == r ]] || failed=1
}

for version in 1.2 1.3; do
  crosses "$version" nginx "$NGINX_PORT" Node "$NODE_PORT"
  crosses "$version" Node "$NODE_PORT" nginx "$NGINX_PORT"
done
exit "$failed"
