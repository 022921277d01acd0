// What sets a marked part of the time apart from the time before it.
import { Button } from '@mantine/core';

import { useExplained } from '../../api/explain';
import type { Contrast, Difference, Explained } from '../../api/types';
import { Answer } from '../../components/answer';
import { Hint } from '../../components/info';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import table from '../../components/table.module.css';
import { type Translate, useTexts } from '../../i18n';
import { changeOf, connectionsOf } from '../../lib/explain';
import { pathOf } from '../../lib/findings';
import type { Format } from '../../lib/format';
import { visible } from '../../lib/text';
import { type Asked, type Span, spanText } from '../../lib/traffic';
import styles from './explain.module.css';

export function Explain({ asked }: { asked: Asked }) {
  const { t } = useTexts();
  if (asked.brush === null) return <p className={styles.hint}>{t('explain.hint')}</p>;
  return <Window asked={asked} brush={asked.brush} />;
}

function Window({ asked, brush }: { asked: Asked; brush: Span }) {
  const { t, format } = useTexts();
  const { change } = usePlace();
  const answer = useExplained(brush, asked);
  const clock = (at: number | string) => format.moment(new Date(at));
  return (
    <Panel
      id="explain" title={t('explain.title', { from: clock(brush[0] * 1000), to: clock(brush[1] * 1000) })} help={t('explain.help')}
      note={answer.data !== undefined && t('explain.before', { from: clock(answer.data.baseline_from), to: clock(answer.data.from) })}
      aside={(
        <>
          <Button size="compact-xs" variant="default" onClick={() => change({ span: spanText(brush[0], brush[1]), brush: null })}>{t('explain.zoom')}</Button>
          <Button size="compact-xs" variant="default" onClick={() => change({ brush: null })}>{t('explain.clear')}</Button>
        </>
      )}
    >
      <Answer of={answer} height={140}>
        {(explained) => (
          <>
            {!explained.is_kept && <p className={styles.notice}>{t('explain.notKept')}</p>}
            <div className={styles.parts}>
              <Part kind="ends" contrast={explained.ends} explained={explained} asked={asked} />
              <Part kind="openings" contrast={explained.openings} explained={explained} asked={asked} />
            </div>
            <Findings explained={explained} />
          </>
        )}
      </Answer>
    </Panel>
  );
}

interface PartProps {
  kind: 'ends' | 'openings';
  contrast: Contrast;
  explained: Explained;
  asked: Asked;
}

function Part({ kind, contrast, explained, asked }: PartProps) {
  const { t, format } = useTexts();
  const { count, count_before, is_complete, baseline_is_complete, differences, unlisted } = contrast;
  const title = t(`explain.${kind}`);
  const none = count === 0 ? 'explain.noneNow' : count_before === 0 ? 'explain.noneBefore' : 'explain.same';
  return (
    <section className={styles.part} aria-label={title}>
      <h3 className={styles.title}>
        {title} <span className={styles.counts}>{t('explain.counts', { count: format.count(count), before: format.count(count_before) })}</span>
      </h3>
      {explained.is_kept && !(is_complete && baseline_is_complete) && <p className={styles.notice}>{t('explain.cut')}</p>}
      {unlisted > 0 && <p className={styles.notice}>{t('explain.unlisted')}</p>}
      {differences.length === 0 ? <Empty>{t(none)}</Empty> : (
        <div className={styles.scroll} tabIndex={0} role="group" aria-label={title}>
          <table className={`${table.plain} ${styles.table}`}>
            <thead>
              <tr>
                <th scope="col">{t('explain.what')}</th>
                <th scope="col" className={table.number}>{t('explain.change')}</th>
                <th scope="col">{t('explain.shares')}</th>
                <th scope="col" className={table.number}>{t('ended.count')}</th>
                <th scope="col" className={table.number}><Hint text={t('explain.g2Help')}><span tabIndex={0} className={table.help}>G²</span></Hint></th>
              </tr>
            </thead>
            <tbody>
              {differences.map((one) => (
                <DifferenceRow key={`${one.dimension} ${one.value}`} one={one} isEnd={kind === 'ends'} explained={explained} asked={asked} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function DifferenceRow({ one, isEnd, explained, asked }: { one: Difference; isEnd: boolean; explained: Explained; asked: Asked }) {
  const { t, format } = useTexts();
  const { to } = usePlace();
  const { from, to: until } = explained;
  const keys = connectionsOf(one, isEnd, { from, to: until, protocol: asked.protocol, route: asked.route });
  const value = <bdi>{visible(valueName(t, format, one))}</bdi>;
  const change = changeOf(one);
  const words = t(`explain.changes.${change.kind}`, 'times' in change ? { times: format.value(Number(change.times.toPrecision(2))) } : {});
  return (
    <tr>
      <th scope="row" className={styles.what}>
        <span className={styles.dimension}>{t(`explain.dimension.${one.dimension}`)}</span>
        <a href={to('/connections', keys)} data-row-link>{value}</a>
      </th>
      <td className={`${table.number} ${styles.change}`} data-change={change.kind}>{words}</td>
      <td>
        <span className={styles.shares}>
          <span className={styles.bars} aria-hidden="true">
            <i style={{ width: `${one.share * 100}%` }} />
            <i data-before style={{ width: `${one.share_before * 100}%` }} />
          </span>
          <span className={styles.percents}>{t('explain.ofBefore', { share: format.percent(one.share), before: format.percent(one.share_before) })}</span>
        </span>
      </td>
      <td className={table.number}>{format.count(one.count)}</td>
      <td className={table.number}>{format.count(one.g2)}</td>
    </tr>
  );
}

function valueName(t: Translate, format: Format, { dimension, value }: Difference): string {
  switch (dimension) {
    case 'reason': return t(`word.reason.${value as 'normal'}`);
    case 'initiator': return t(`word.initiator.${value as 'client'}`);
    case 'result': return t(`word.handshake.${value as 'success'}`);
    case 'protocol': return t(`word.protocol.${value as 'sse'}`);
    case 'country': return format.country(value);
    default: return value;
  }
}

function Findings({ explained: { findings } }: { explained: Explained }) {
  const { t } = useTexts();
  const { to } = usePlace();
  return (
    <section className={styles.findings} aria-label={t('explain.findings')}>
      <h3 className={styles.title}>{t('explain.findings')}</h3>
      {findings.length === 0 ? <p className={styles.none}>{t('explain.noFindings')}</p> : (
        <ul>
          {findings.map((finding) => (
            <li key={`${finding.id} ${finding.route} ${finding.where} ${finding.since}`}>
              <a href={to(pathOf(finding))}><bdi>{visible(finding.title)}</bdi></a>
              <span className={styles.counts}>{t(`word.level.${finding.level}`)}{finding.route !== null && <> · <bdi>{visible(finding.route)}</bdi></>}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
