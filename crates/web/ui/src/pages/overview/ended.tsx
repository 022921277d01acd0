// Why connections ended: a ring, and a table that says the same with counts and leads to those connections.
import { Skeleton } from '@mantine/core';

import type { Overview } from '../../api/types';
import { Donut } from '../../components/donut';
import { Hint } from '../../components/info';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useSteady } from '../../components/steady';
import table from '../../components/table.module.css';
import { Abnormal, Who } from '../../components/words';
import { useTexts } from '../../i18n';
import { endedIn } from '../../lib/connections';
import { type Ended, endedBy, slices, strengths } from '../../lib/tally';
import styles from './ended.module.css';

const MOST_SLICES = 9;

interface Props {
  overview: Overview | null;
  className?: string | undefined;
}

export function WhyEnded({ overview, className }: Props) {
  const { t, format } = useTexts();
  const ended = useSteady(endedBy(overview?.ended ?? []), keyOf);
  const total = ended.reduce((sum, { count }) => sum + count, 0);
  const strength = strengths(ended);
  const { to } = usePlace();
  const keysOf = ({ reason, initiator }: Ended) => (overview === null ? {} : endedIn(overview, `reason:${reason} initiator:${initiator}`));
  return (
    <Panel id="ended" title={t('ended.title')} help={t('ended.help')} className={className}>
      {total === 0 ? <Nothing loading={overview === null} /> : (
        <div className={styles.body}>
          <Donut
            total={format.count(total)} unit={t('ended.total')} label={t('ended.chart')}
            shares={slices(ended, MOST_SLICES).map(({ ended, count }, index) => ({
              key: ended === null ? 'rest' : keyOf(ended),
              ...(ended === null ? {} : { href: to('/connections', keysOf(ended)) }),
              count,
              color: ended?.initiator ?? 'line',
              strength: ended === null ? 1 : strength[index] ?? 1,
            }))}
          />
          <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('ended.title')}>
            <table className={table.plain}>
              <thead>
                <tr>
                  <th scope="col">{t('ended.reason')}</th>
                  <th scope="col">{t('ended.who')}</th>
                  <th scope="col" className={table.number}>{t('ended.count')}</th>
                  <th scope="col" className={table.number}>{t('ended.share')}</th>
                </tr>
              </thead>
              <tbody>
                {ended.map((row, index) => (
                  <EndedRow key={keyOf(row)} row={row} strength={strength[index] ?? 1} href={to('/connections', keysOf(row))} />
                ))}
              </tbody>
            </table>
          </div>
        </div>
      )}
    </Panel>
  );
}

function Nothing({ loading }: { loading: boolean }) {
  const { t } = useTexts();
  if (loading) return <div className={styles.loading}><Skeleton height={232} /></div>;
  return <Empty>{t('ended.empty')}</Empty>;
}

const keyOf = ({ initiator, reason }: Ended): string => `${initiator} ${reason}`;

function EndedRow({ row, strength, href }: { row: Ended; strength: number; href: string }) {
  const { t, format } = useTexts();
  const name = t(`word.reason.${row.reason}`);
  return (
    <tr>
      <td>
        <Hint text={t(`word.reasonHelp.${row.reason}`)}>
          <a className={table.choice} aria-label={t('ended.filter', { reason: name })} href={href}>
            <i className={styles.swatch} style={{ background: `var(--hl-${row.initiator})`, opacity: strength }} aria-hidden="true" />
            {name}
          </a>
        </Hint>
        <Abnormal reason={row.reason} />
      </td>
      <td><Who initiator={row.initiator} /></td>
      <td className={table.number}>{format.count(row.count)}</td>
      <td className={table.number}>{format.percent(row.share)}</td>
    </tr>
  );
}
