// Where clients are: a map for orientation, and the countries in order.
import { SegmentedControl, Skeleton } from '@mantine/core';
import { Suspense, useState } from 'react';

import type { CountryNow, Overview } from '../../api/types';
import { Bars } from '../../components/bars';
import { Boundary } from '../../components/boundary';
import { later } from '../../components/later';
import { Fault } from '../../components/notices';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { termOf } from '../../lib/filter';
import styles from './geography.module.css';

const WorldMap = later(async () => (await import('../../components/world-map')).default);

const ROWS = 12;

export function Geography({ overview, className }: { overview: Overview | null; className?: string | undefined }) {
  const { t } = useTexts();
  const [borders, setBorders] = useState(false);
  const countries = overview?.countries;
  return (
    <Panel
      id="geography" title={t('geography.title')} help={t('geography.help')} className={className}
      aside={countries !== undefined && (
        <SegmentedControl
          size="xs" radius={5} aria-label={t('geography.view')} value={borders ? 'borders' : 'land'}
          data={(['land', 'borders'] as const).map((value) => ({ value, label: t(`geography.${value}`) }))}
          onChange={(value) => setBorders(value === 'borders')}
        />
      )}
    >
      {overview === null ? <Skeleton height={240} /> : countries === undefined ? <NoDatabase /> : <Known countries={countries} borders={borders} />}
    </Panel>
  );
}

function Known({ countries, borders }: { countries: CountryNow[]; borders: boolean }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  if (countries.length === 0) return <Empty>{t('geography.empty')}</Empty>;
  const open = countries.map(({ country, connections: { websocket, sse, grpc }, share }) => (
    { code: country, label: country === null ? t('geography.unknown') : format.country(country), count: websocket + sse + grpc, share }
  ));
  const hrefOf = (code: string) => to('/connections', { q: termOf('country', code) });
  const spots = open.flatMap(({ code, label, count }) => (code === null ? [] : [{ code, count, label: `${label}: ${format.count(count)}`, href: hrefOf(code) }]));
  return (
    <div className={styles.parts}>
      <div className={styles.map}>
        <Boundary fallback={(error) => <Fault error={error} />}>
          <Suspense fallback={<Skeleton height={300} />}>
            <WorldMap spots={spots} borders={borders} title={t('geography.map')} />
          </Suspense>
        </Boundary>
      </div>
      <Bars
        caption={t('geography.title')} heading={t('geography.country')} rows={ROWS}
        bars={open.map(({ code, label, count, share }) => ({
          key: code ?? '', label, count, share,
          ...(code === null ? {} : { href: hrefOf(code), action: t('geography.filter', { country: label }) }),
        }))}
      />
    </div>
  );
}

function NoDatabase() {
  const { t } = useTexts();
  return (
    <div className={styles.none}>
      <p>{t('geography.none')}</p>
      <pre tabIndex={0}>{'geo: { database: /etc/heartline/country.mmdb }'}</pre>
      <p>{t('geography.bring')}</p>
    </div>
  );
}
