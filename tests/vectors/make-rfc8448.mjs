// Makes rfc8448.json, the five traces of RFC 8448 with every value that it prints, from the RFC's text:
//   node tests/vectors/make-rfc8448.mjs PATH/TO/rfc8448.txt > tests/vectors/rfc8448.json
import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'latin1')
  .split('\n')
  // Page breaks: the foot and the head of each page.
  .filter((line) => !/^\f?$|^Thomson .*\[Page \d+\]$|^\f?RFC 8448 .*January 2019$/.test(line.trimEnd()));

const traces = [];
let trace = null;
let step = null;
let value = null;

function endValue() {
  if (value === null) return;
  const hex = value.text.replaceAll(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hexadecimal: ${value.name} in ${step.step}`);
  if (hex.length !== 2 * value.length)
    throw new Error(`${value.name}: ${hex.length / 2}, not ${value.length}`);
  step.values[value.name] = hex;
  value = null;
}

for (const line of text) {
  const section = /^([3-7])\. {2}(\S.*)$/.exec(line);
  if (section) {
    endValue();
    step = null;
    trace = { section: Number(section[1]), name: section[2], steps: [] };
    traces.push(trace);
    continue;
  }
  if (/^\d+\. |^\d+\.\d+\. /.test(line)) {
    endValue();
    step = null;
    trace = null;
    continue;
  }
  if (trace === null) continue;
  const heading = /^ {3}\{(client|server)\} +(.*)$/.exec(line);
  if (heading) {
    endValue();
    step = { role: heading[1], step: heading[2], values: {} };
    trace.steps.push(step);
    continue;
  }
  if (step === null) continue;
  const start = /^ {6}(\S.*?) \((\d+) octets?\): +(.*)$/.exec(line);
  if (start) {
    endValue();
    value = { name: start[1], length: Number(start[2]), text: start[3] === '(empty)' ? '' : start[3] };
  } else if (value !== null && /^ {9}[0-9a-f]{2}( [0-9a-f]{2})*$/.test(line)) {
    value.text += ` ${line}`;
  } else if (value !== null) {
    endValue();
  }
}
endValue();

// What the other side computes alike is said once: keep the steps that have values.
for (const { steps } of traces) {
  for (const each of steps) each.step = each.step.replace(/:$/, '');
}
const out = traces.map(({ section, name, steps }) => ({
  section,
  name,
  steps: steps.filter((each) => Object.keys(each.values).length > 0),
}));
process.stdout.write(`${JSON.stringify(out, null, 1)}\n`);
