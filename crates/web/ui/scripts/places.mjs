// Writes where countries are, by their codes of ISO 3166-1, to src/lib/places.json: the middle of the largest part of each.
// `node scripts/places.mjs`; Intl knows the codes of the numbers that world-atlas has.
import { readFileSync, writeFileSync } from 'node:fs';

import { geoArea, geoCentroid } from 'd3-geo';
import { feature } from 'topojson-client';

const world = JSON.parse(readFileSync(new URL('../node_modules/world-atlas/countries-50m.json', import.meta.url), 'utf8'));
const places = {};
const areas = {};
for (const { id, geometry } of feature(world, world.objects.countries).features) {
  const code = id === undefined ? undefined : new Intl.Locale(`und-${id}`).region;
  if (code === undefined || !/^[A-Z]{2}$/.test(code)) continue;
  const parts = geometry.type === 'MultiPolygon' ? geometry.coordinates : [geometry.coordinates];
  const polygons = parts.map((coordinates) => ({ type: 'Polygon', coordinates }));
  const largest = polygons.reduce((best, one) => (geoArea(one) > geoArea(best) ? one : best));
  // Some islands have the code of the country that they belong to.
  if (geoArea(largest) < (areas[code] ?? 0)) continue;
  areas[code] = geoArea(largest);
  places[code] = geoCentroid(largest).map((degrees) => Math.round(degrees * 10) / 10);
}
const lines = Object.keys(places).sort().map((code) => `  "${code}": [${places[code].join(', ')}]`);
writeFileSync(new URL('../src/lib/places.json', import.meta.url), `{\n${lines.join(',\n')}\n}\n`);
