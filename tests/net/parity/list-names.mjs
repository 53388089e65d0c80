// Prints, as JSON, every name that the node:tls of this Node has: run with each version that is supported.
import net from 'node:net';
import tls from 'node:tls';

/** Names of a prototype that programs may use or override. */
function members(type) {
  return Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor');
}

/** The options that a call looks at. It is given none of them, so it may throw at the end. */
function optionsRead(call) {
  const names = new Set();
  const options = new Proxy(
    {},
    {
      get(_target, name) {
        if (typeof name === 'string') names.add(name);
        return undefined;
      },
    },
  );
  call(options);
  return [...names];
}

/** The source of one of Node's own modules. */
function source(...names) {
  const natives = process.binding('natives');
  return names.map((name) => natives[name] ?? '').join('\n');
}

function found(text, pattern) {
  return [...new Set([...text.matchAll(pattern)].map(([, name]) => name))];
}

const wrap = source('_tls_wrap', 'internal/tls/wrap');
console.log(
  JSON.stringify({
    exports: Object.keys(tls),
    socket: members(tls.TLSSocket),
    server: members(tls.Server),
    netSocket: members(net.Socket),
    netServer: members(net.Server),
    contextOptions: optionsRead((options) => tls.createSecureContext(options)),
    serverOptions: optionsRead((options) => tls.createServer(options)),
    connectOptions: found(wrap, /\boptions\??\.(\w+)/g),
    socketOptions: found(wrap, /\btlsOptions\??\.(\w+)/g),
    events: found(wrap, /\.(?:emit|on|once|prependListener)\('(\w+)'/g),
    errors: found(source('internal/errors'), /E\('(ERR_TLS_\w+)'/g),
  }),
);
