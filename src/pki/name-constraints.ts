/**
 * Name constraints (RFC 5280, 4.2.1.10 and 6.1.4 (g)). Every issuer's permitted names must hold for all
 * names below it, so each issuer is a level of its own, and a name has to satisfy every level that
 * constrains its type.
 */
import type { BudgetMeter } from './budget.ts';
import type { Certificate } from './certificate.ts';
import type { NameConstraints } from './extensions.ts';
import { type Fault, fault, lapse } from './fault.ts';
import { type GeneralName, type GeneralNameType, generalNameText } from './general-name.ts';
import { directoryText, EMAIL_ADDRESS } from './name.ts';
import type { Profile } from './relaxations.ts';
import { isDnsName } from './server-name.ts';

/** A constraint's base in the form that it is compared in; `domain` is lower case. */
type Subtree =
  | { readonly type: 'dns'; readonly domain: string; readonly childrenOnly: boolean }
  | {
      readonly type: 'email';
      readonly mailbox: string | null;
      readonly domain: string;
      readonly childrenOnly: boolean;
    }
  | { readonly type: 'uri'; readonly domain: string; readonly childrenOnly: boolean }
  | { readonly type: 'ip'; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly type: 'directory'; readonly rdnKeys: readonly string[] }
  | { readonly type: 'unsupported'; readonly of: GeneralNameType };

interface Level {
  readonly permitted: ReadonlyMap<GeneralNameType, readonly Subtree[]>;
  readonly excluded: ReadonlyMap<GeneralNameType, readonly Subtree[]>;
}

/** A name in the form that it is compared in, or one that has no such form. */
type Subject =
  | { readonly type: 'dns'; readonly domain: string; readonly wildcard: boolean }
  | { readonly type: 'email'; readonly mailbox: string; readonly domain: string }
  | { readonly type: 'uri'; readonly domain: string }
  | { readonly type: 'ip'; readonly address: Uint8Array }
  | { readonly type: 'directory'; readonly rdnKeys: readonly string[] };

function bad(name: GeneralName): Fault {
  return fault('malformed-extension', `a malformed name constraint: ${generalNameText(name)}`);
}

function domainOf(value: string): string | null {
  const domain = value.toLowerCase();
  return isDnsName(domain) ? domain : null;
}

function parseSubtree(base: GeneralName, profile: Profile): Subtree | Fault {
  switch (base.type) {
    case 'dns': {
      // The empty name has every name below it.
      if (base.value === '') return { type: 'dns', domain: '', childrenOnly: false };
      const childrenOnly = base.value.startsWith('.');
      if (childrenOnly) {
        const strict = lapse(
          profile,
          'dns-constraint-leading-period',
          `the DNS constraint ${JSON.stringify(base.value)} begins with a period`,
        );
        if (strict !== null) return strict;
      }
      const domain = domainOf(childrenOnly ? base.value.slice(1) : base.value);
      return domain === null ? bad(base) : { type: 'dns', domain, childrenOnly };
    }
    case 'email': {
      const at = base.value.lastIndexOf('@');
      if (at === -1) {
        const childrenOnly = base.value.startsWith('.');
        const domain = domainOf(childrenOnly ? base.value.slice(1) : base.value);
        return domain === null ? bad(base) : { type: 'email', mailbox: null, domain, childrenOnly };
      }
      const parsed = parseMailbox(base.value);
      if (parsed === null) return bad(base);
      return { type: 'email', mailbox: parsed.mailbox, domain: parsed.domain, childrenOnly: false };
    }
    case 'uri': {
      const childrenOnly = base.value.startsWith('.');
      const domain = domainOf(childrenOnly ? base.value.slice(1) : base.value);
      return domain === null ? bad(base) : { type: 'uri', domain, childrenOnly };
    }
    case 'ip': {
      const size = base.value.length / 2;
      if (size !== 4 && size !== 16) return bad(base);
      const mask = base.value.subarray(size);
      // CIDR (RFC 4632): once a bit of the mask is clear, all later ones are.
      let clear = false;
      for (const byte of mask) {
        for (let bit = 7; bit >= 0; bit--) {
          const set = ((byte >> bit) & 1) === 1;
          if (set && clear) return bad(base);
          if (!set) clear = true;
        }
      }
      return { type: 'ip', address: base.value.subarray(0, size), mask };
    }
    case 'directory':
      return { type: 'directory', rdnKeys: base.value.rdnKeys };
    default:
      return { type: 'unsupported', of: base.type };
  }
}

/** Local part and lower-case domain; a local part with `@` must be quoted (RFC 5321, 4.1.2). */
function parseMailbox(value: string): { mailbox: string; domain: string } | null {
  const at = value.lastIndexOf('@');
  const mailbox = value.slice(0, at);
  const domain = domainOf(value.slice(at + 1));
  if (at < 1 || domain === null || mailbox.length > 64) return null;
  if (/^"([ !#-[\]-~]|\\[ -~])*"$/.test(mailbox)) return { mailbox, domain };
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+$/.test(mailbox) ? { mailbox, domain } : null;
}

/** The host of a URI with an authority (RFC 3986, 3.2.2) when it is a DNS name, in lower case. */
function uriHost(value: string): string | null {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(value)?.[1];
  if (authority === undefined) return null;
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '');
  const domain = domainOf(host);
  return domain === null || /(^|\.)\d+$/.test(domain) ? null : domain;
}

/** Null when the name breaks the syntax of its type, or is of a type that no constraint can hold. */
function parseSubject(name: GeneralName): Subject | null {
  switch (name.type) {
    case 'dns': {
      const wildcard = name.value.startsWith('*.');
      const domain = domainOf(wildcard ? name.value.slice(2) : name.value);
      return domain === null ? null : { type: 'dns', domain, wildcard };
    }
    case 'email': {
      const parsed = parseMailbox(name.value);
      return parsed === null ? null : { type: 'email', ...parsed };
    }
    case 'uri': {
      const domain = uriHost(name.value);
      return domain === null ? null : { type: 'uri', domain };
    }
    case 'ip':
      return name.value.length === 4 || name.value.length === 16 ? { type: 'ip', address: name.value } : null;
    case 'directory':
      return { type: 'directory', rdnKeys: name.value.rdnKeys };
    default:
      return null;
  }
}

/** Whether an alternative name obeys the syntax of its type (4.2.1.6), underscores in DNS names not being so. */
export function isWellFormedName(name: GeneralName): boolean {
  if (name.type === 'dns' && name.value.includes('_')) return false;
  if (name.type === 'uri') return /^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$/.test(name.value);
  if (name.type === 'other' || name.type === 'registered-id') return true;
  if (name.type === 'x400' || name.type === 'edi-party') return true;
  return parseSubject(name) !== null;
}

function isBelow(domain: string, base: string): boolean {
  return (
    base === '' ||
    (domain.length > base.length && domain.endsWith(base) && domain.at(-base.length - 1) === '.')
  );
}

function domainWithin(domain: string, base: { domain: string; childrenOnly: boolean }): boolean {
  return isBelow(domain, base.domain) || (!base.childrenOnly && domain === base.domain);
}

/** Whether every name that `subject` stands for lies in the subtree. */
function isWithin(subject: Subject, base: Subtree): boolean {
  switch (subject.type) {
    case 'dns':
      if (base.type !== 'dns') return false;
      // A wildcard stands for names one label below its domain.
      return subject.wildcard
        ? isBelow(subject.domain, base.domain) || subject.domain === base.domain
        : domainWithin(subject.domain, base);
    case 'uri':
      // Without a period in front a URI constraint is for that host alone.
      if (base.type !== 'uri') return false;
      return base.childrenOnly ? isBelow(subject.domain, base.domain) : subject.domain === base.domain;
    case 'email':
      if (base.type !== 'email') return false;
      if (base.mailbox !== null) return base.mailbox === subject.mailbox && base.domain === subject.domain;
      return base.childrenOnly ? isBelow(subject.domain, base.domain) : subject.domain === base.domain;
    case 'ip':
      if (base.type !== 'ip' || base.address.length !== subject.address.length) return false;
      return base.mask.every(
        (mask, i) => ((subject.address[i] as number) & mask) === ((base.address[i] as number) & mask),
      );
    case 'directory':
      if (base.type !== 'directory' || base.rdnKeys.length > subject.rdnKeys.length) return false;
      return base.rdnKeys.every((key, i) => key === subject.rdnKeys[i]);
  }
}

/** Whether any name that `subject` stands for lies in the subtree: what an exclusion has to find. */
function touches(subject: Subject, base: Subtree): boolean {
  if (isWithin(subject, base)) return true;
  if (subject.type !== 'dns' || base.type !== 'dns' || !subject.wildcard) return false;
  // `*.example.com` may be bar.example.com, which the exclusion of bar.example.com is about.
  return (
    isBelow(base.domain, subject.domain) && !base.domain.slice(0, -subject.domain.length - 1).includes('.')
  );
}

function group(
  bases: readonly GeneralName[],
  profile: Profile,
): ReadonlyMap<GeneralNameType, readonly Subtree[]> | Fault {
  const byType = new Map<GeneralNameType, Subtree[]>();
  for (const base of bases) {
    const subtree = parseSubtree(base, profile);
    if ('reason' in subtree) return subtree;
    const list = byType.get(base.type);
    if (list === undefined) byType.set(base.type, [subtree]);
    else list.push(subtree);
  }
  return byType;
}

/** Comparisons that a list may take: directory names are compared part by part. */
function cost(bases: readonly Subtree[] | undefined): number {
  if (bases === undefined) return 0;
  if (bases[0]?.type !== 'directory') return bases.length;
  return bases.reduce((sum, base) => sum + 1 + (base.type === 'directory' ? base.rdnKeys.length : 0), 0);
}

/** The constraints that are in force at one place of a path; grows as the path is walked towards the leaf. */
export class NameConstraintState {
  readonly #profile: Profile;
  readonly #meter: BudgetMeter;
  readonly #levels: Level[] = [];

  constructor(profile: Profile, meter: BudgetMeter) {
    this.#profile = profile;
    this.#meter = meter;
  }

  /** Adds an issuer's constraints for everything below it. */
  add(constraints: NameConstraints): Fault | null {
    this.#meter.names(constraints.permitted.length + constraints.excluded.length);
    const permitted = group(constraints.permitted, this.#profile);
    if ('reason' in permitted) return permitted;
    const excluded = group(constraints.excluded, this.#profile);
    if ('reason' in excluded) return excluded;
    this.#levels.push({ permitted, excluded });
    return null;
  }

  /**
   * Holds a certificate's names against all constraints: its subject, its alternative names, and the e-mail
   * addresses in its subject. `commonName` is one more DNS name, when it is going to be used as one.
   */
  check(certificate: Certificate, commonName: string | null): Fault | null {
    if (this.#levels.length === 0) return null;
    if (!certificate.subject.isEmpty) {
      const problem = this.#checkName({ type: 'directory', value: certificate.subject });
      if (problem !== null) return problem;
      for (const { tag, value } of certificate.subject.attributes(EMAIL_ADDRESS)) {
        const text = directoryText(tag, value) ?? '';
        const email = this.#checkName({ type: 'email', value: text });
        if (email !== null) return email;
      }
    }
    for (const name of certificate.subjectAltNames ?? []) {
      const problem = this.#checkName(name);
      if (problem !== null) return problem;
    }
    return commonName === null ? null : this.#checkName({ type: 'dns', value: commonName });
  }

  #checkName(name: GeneralName): Fault | null {
    let subject: Subject | null | undefined;
    for (const level of this.#levels) {
      const permitted = level.permitted.get(name.type);
      const excluded = level.excluded.get(name.type);
      if (permitted === undefined && excluded === undefined) continue;
      this.#meter.names(cost(permitted) + cost(excluded));
      subject ??= parseSubject(name);
      if (subject === null) {
        return fault(
          'unsupported-name',
          `${generalNameText(name)} cannot be held against the constraints on it`,
        );
      }
      const parsed = subject;
      if (excluded?.some((base) => touches(parsed, base)) === true) {
        return fault('name-excluded', `${generalNameText(name)} is excluded`);
      }
      if (permitted !== undefined && !permitted.some((base) => isWithin(parsed, base))) {
        return fault('name-not-permitted', `${generalNameText(name)} is not among the permitted names`);
      }
    }
    return null;
  }
}
