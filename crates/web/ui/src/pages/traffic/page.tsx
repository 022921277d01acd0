// How traffic went over a time that can be chosen, and what sets a part of that time apart.
import { Button, NativeSelect, SegmentedControl } from '@mantine/core';

import { useFeed } from '../../components/feed';
import { Hint } from '../../components/info';
import { PageHead } from '../../components/page-head';
import { usePlace } from '../../components/place';
import { useKeys } from '../../components/shortcuts';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import { type Asked, askedOf, GROUPS, PROTOCOLS, RANGES, spanText, stepsOf } from '../../lib/traffic';
import { Charts } from './charts';
import { Explain } from './explain';
import styles from './page.module.css';

export function TrafficPage() {
  const { query, change } = usePlace();
  const { feed } = useFeed();
  const asked = askedOf(query);
  const now = feed.overview === null ? Date.now() : Date.parse(feed.overview.as_of);
  const steps = stepsOf(asked.span, asked.range, now / 1000);
  useKeys({
    t: () => change({ range: String(RANGES[(RANGES.indexOf(asked.range as (typeof RANGES)[number]) + 1) % RANGES.length]), span: null }),
    Escape: () => change(asked.brush === null ? { span: null } : { brush: null }),
  });
  return (
    <>
      <Toolbar asked={asked} />
      <Explain asked={asked} />
      <Charts asked={asked} steps={steps} onBrush={(one, other) => change({ brush: spanText(one, other) })} />
    </>
  );
}

function Toolbar({ asked }: { asked: Asked }) {
  const { t, format } = useTexts();
  const { change } = usePlace();
  const { feed } = useFeed();
  const { range, span, route, protocol, by, tables } = asked;
  const routes = [...new Set([...(feed.overview?.routes.map(({ name }) => name) ?? []), ...(route === null ? [] : [route])])].sort();
  const moment = (at: number) => format.moment(new Date(at * 1000));
  return (
    <PageHead
      title={t('page.traffic')}
      note={span === null ? undefined : t('traffic.span', { from: moment(span[0]), to: moment(span[1]) })}
    >
      <div className={styles.tools}>
        <NativeSelect
          size="xs" radius={5} aria-label={t('table.route')} value={route ?? ''} onChange={({ currentTarget: { value } }) => change({ route: value === '' ? null : value })}
          data={[{ value: '', label: t('traffic.anyRoute') }, ...routes.map((value) => ({ value, label: visible(value) }))]}
        />
        <NativeSelect
          size="xs" radius={5} aria-label={t('table.protocol')} value={protocol ?? ''} onChange={({ currentTarget: { value } }) => change({ protocol: value === '' ? null : value })}
          data={[{ value: '', label: t('traffic.anyProtocol') }, ...PROTOCOLS.map((value) => ({ value, label: t(`word.protocol.${value}`) }))]}
        />
        <NativeSelect
          size="xs" radius={5} aria-label={t('traffic.by')} value={by} onChange={({ currentTarget: { value } }) => change({ by: value === GROUPS[0] ? null : value })}
          data={GROUPS.map((value) => ({ value, label: t(`traffic.groups.${value}`) }))}
        />
        <Button size="compact-sm" variant={tables ? 'light' : 'default'} aria-pressed={tables} onClick={() => change({ tables: tables ? null : '1' })}>
          {t('traffic.tables')}
        </Button>
        <Hint text={t('traffic.rangeHelp')}>
          <SegmentedControl
            size="xs" radius={5} aria-label={t('traffic.range')} value={span === null ? String(range) : ''}
            data={RANGES.map((seconds) => ({ value: String(seconds), label: t(`traffic.ranges.${seconds}`) }))}
            onChange={(value) => change({ range: value, span: null })}
          />
        </Hint>
      </div>
    </PageHead>
  );
}
