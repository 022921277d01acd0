// Scheduled probes: what a user would see, from outside, again and again.
import { type Probe, useProbes } from '../../api/probes';
import { Answer } from '../../components/answer';
import { Copy } from '../../components/copy';
import { PageHead } from '../../components/page-head';
import { Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { openingQuantile, upShare } from '../../lib/probes';
import { visible } from '../../lib/text';
import styles from './page.module.css';
import { Conditions, RunBar, State } from './parts';

const EXAMPLE = `probes:
  - name: chat
    url: wss://chat.example.com/ws/room
    every: 1m
    deep_every: 6h`;

export function ProbesPage() {
  const { t } = useTexts();
  return (
    <>
      <PageHead title={t('page.probes')} note={t('probes.note')} />
      <Answer of={useProbes()} height={240}>
        {({ items }) => (items.length === 0 ? <HowTo /> : (
          <Panel id="probes" title={t('probes.list')} help={t('probes.listHelp')}>
            <ul className={styles.list}>{items.map((probe) => <Row key={probe.name} probe={probe} />)}</ul>
          </Panel>
        ))}
      </Answer>
    </>
  );
}

/** What to write so that there is one. */
function HowTo() {
  const { t } = useTexts();
  return (
    <Panel id="probes" title={t('probes.none')}>
      <div className={styles.howto}>
        <p>{t('probes.howTo')}</p>
        <pre tabIndex={0} aria-label={t('probes.example')}>{EXAMPLE}</pre>
        <Copy value={EXAMPLE}>{t('probes.copyExample')}</Copy>
      </div>
    </Panel>
  );
}

function Row({ probe }: { probe: Probe }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const { name, url, protocol, route, every_seconds, last, runs, findings } = probe;
  return (
    <li className={styles.row} data-probe={name}>
      <div className={styles.what}>
        <a className={styles.name} href={to(`/probes/${encodeURIComponent(name)}`)} data-row-link><bdi>{visible(name)}</bdi></a>
        <span className={styles.url}><bdi>{visible(url)}</bdi></span>
        <span className={styles.facts}>
          <span>{t(`word.protocol.${protocol}`)}</span>
          {route !== null && <span>{t('findings.onRoute')} <bdi>{visible(route)}</bdi></span>}
          <span>{t('probes.every', { time: format.duration(every_seconds) })}</span>
          {findings.length > 0 && <span className={styles.found}>{t('probes.findings', { count: format.count(findings.length) })}</span>}
        </span>
      </div>
      <div className={styles.state}>
        <State probe={probe} />
        {last !== null && <time className={styles.at} dateTime={last.at} title={format.timestamp(new Date(last.at))}>{format.clock(new Date(last.at))}</time>}
      </div>
      <RunBar runs={runs} />
      <dl className={styles.numbers}>
        <div><dt>{t('probes.up')}</dt><dd>{format.percent(upShare(runs))}</dd></div>
        <div><dt>{t('chart.p50')}</dt><dd>{format.latencyText(openingQuantile(runs, 0.5))}</dd></div>
        <div><dt>{t('chart.p99')}</dt><dd>{format.latencyText(openingQuantile(runs, 0.99))}</dd></div>
      </dl>
      {last !== null && <Conditions run={last} />}
    </li>
  );
}
