import { DecodeError } from '../util/errors.ts';
import { type Fault, fault } from './fault.ts';
import { CertificateError } from './reason.ts';

/** Runs a check; what it cannot decode becomes its fault. */
export function guarded(check: () => Fault | null): Fault | null {
  try {
    return check();
  } catch (error) {
    if (error instanceof CertificateError) return fault(error.reason, error.message);
    if (error instanceof DecodeError) return fault('malformed-certificate', error.message);
    throw error;
  }
}
