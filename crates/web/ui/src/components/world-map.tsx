// A map of the world with a spot for each country. A chunk of its own: the outlines are as large as the rest of the page.
import { geoEqualEarth, geoPath } from 'd3-geo';
import type { MultiPoint } from 'geojson';
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import world from 'world-atlas/countries-110m.json';

import places from '../lib/places.json';
import { Mark } from './mark';
import styles from './world-map.module.css';

export interface Spot {
  /** ISO 3166-1 alpha-2. */
  code: string;
  count: number;
  /** What it says under the pointer. */
  label: string;
  /** Where it leads to. */
  href: string;
}

const WIDTH = 800;
const HEIGHT = 370;
const RADIUS_MAX = 26;
const RADIUS_MIN = 3;

const topology = world as unknown as Topology<{ countries: GeometryCollection; land: GeometryCollection }>;
const { countries, land } = topology.objects;
/** What is to be seen: without Antarctica. */
const seen: MultiPoint = { type: 'MultiPoint', coordinates: [[-170, 0], [180, 0], [0, 83.5], [0, -56]] };
const projection = geoEqualEarth().rotate([-10, 0]).fitSize([WIDTH, HEIGHT], seen);
const path = geoPath(projection);
const landPath = path(feature(topology, land)) ?? '';
const borderPath = path(mesh(topology, countries, (one, other) => one !== other)) ?? '';

/** Whether a country has a place on the map. */
const placeOf = (code: string): [number, number] | null => {
  const [longitude, latitude] = (places as Record<string, number[]>)[code] ?? [];
  return longitude === undefined || latitude === undefined ? null : projection([longitude, latitude]);
};

/** Spots with areas as their counts; the small ones are drawn above the large. */
export default function WorldMap({ spots, borders, title }: { spots: Spot[]; borders: boolean; title: string }) {
  const most = Math.max(1, ...spots.map(({ count }) => count));
  const drawn = spots.flatMap((spot) => {
    const place = placeOf(spot.code);
    return place === null ? [] : [{ ...spot, place, radius: Math.max(RADIUS_MIN, RADIUS_MAX * Math.sqrt(spot.count / most)) }];
  });
  drawn.sort((a, b) => b.radius - a.radius);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className={styles.map} role="img" aria-label={title}>
      <path d={landPath} className={styles.land} />
      {borders && <path d={borderPath} className={styles.borders} />}
      {drawn.map(({ code, place: [x, y], radius, label, href }) => (
        <Mark key={code} href={href}>
          <circle cx={x} cy={y} r={radius} className={styles.spot}><title>{label}</title></circle>
        </Mark>
      ))}
    </svg>
  );
}
