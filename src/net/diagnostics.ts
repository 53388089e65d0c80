/** The channels of node:diagnostics_channel that everything in this process tells of. */
import diagnosticsChannel from 'node:diagnostics_channel';
import type { Channel, Diagnostics } from '../diagnostics/channels.ts';

/** Node catches what a subscriber throws, and makes it an uncaughtException of its own. */
function channel<Message>(name: string): Channel<Message> {
  return diagnosticsChannel.channel(name) as Channel<Message>;
}

export const nodeDiagnostics: Diagnostics = Object.freeze({
  handshake: channel('tlsession:handshake'),
  resumption: channel('tlsession:resumption'),
  cache: channel('tlsession:cache'),
  ticketKey: channel('tlsession:ticket-key'),
});
