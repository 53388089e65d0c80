/** A log-log line plot as SVG, with nothing but strings. */

export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const WIDTH = 760;
const HEIGHT = 460;
const LEFT = 70;
const RIGHT = 210;
const TOP = 40;
const BOTTOM = 50;

export function logLogPlot(title: string, xLabel: string, yLabel: string, series: readonly Series[]): string {
  const all = series.flatMap(({ points }) => points);
  const x = axis(
    all.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    all.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(LEFT, 22, title, 'font-size="14"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, xLabel, 'text-anchor="middle"'),
    text(
      16,
      (TOP + HEIGHT - BOTTOM) / 2,
      yLabel,
      `text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})"`,
    ),
  ];
  for (const decade of x.decades) {
    const at = x.place(decade);
    parts.push(
      line(at, TOP, at, HEIGHT - BOTTOM, '#ddd'),
      text(at, HEIGHT - BOTTOM + 16, label(decade), 'text-anchor="middle"'),
    );
  }
  for (const decade of y.decades) {
    const at = y.place(decade);
    parts.push(
      line(LEFT, at, WIDTH - RIGHT, at, '#ddd'),
      text(LEFT - 6, at + 4, label(decade), 'text-anchor="end"'),
    );
  }
  series.forEach(({ name, colour, dashed, points }, i) => {
    const dash = dashed ? ' stroke-dasharray="5 4"' : '';
    const path = points.map(([px, py]) => `${x.place(px).toFixed(1)},${y.place(py).toFixed(1)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`);
    for (const [px, py] of points) {
      parts.push(
        `<circle cx="${x.place(px).toFixed(1)}" cy="${y.place(py).toFixed(1)}" r="3" fill="${colour}"/>`,
      );
    }
    const at = TOP + 12 + i * 18;
    parts.push(
      `<line x1="${WIDTH - RIGHT + 14}" y1="${at}" x2="${WIDTH - RIGHT + 38}" y2="${at}" stroke="${colour}" stroke-width="2"${dash}/>`,
      text(WIDTH - RIGHT + 44, at + 4, name),
    );
  });
  parts.push('</svg>', '');
  return parts.join('\n');
}

function axis(
  values: readonly number[],
  from: number,
  to: number,
): { decades: number[]; place: (value: number) => number } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    decades: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    place: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  };
}

function label(decade: number): string {
  return decade.toLocaleString('en');
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}"/>`;
}

function text(x: number, y: number, content: string, more = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${more}>${escaped}</text>`;
}
