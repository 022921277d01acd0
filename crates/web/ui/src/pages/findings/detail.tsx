// One finding: the sentence, how sure it is, evidence, what helps, what would make it wrong.
import { Button, Skeleton, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';

import { type Finding, useFeedback, useFindingsOf } from '../../api/findings';
import { useProbes } from '../../api/probes';
import { useLimits, useSettings } from '../../api/system';
import { Answer } from '../../components/answer';
import { Copy } from '../../components/copy';
import { Facts } from '../../components/facts';
import { PageHead } from '../../components/page-head';
import { Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { aimOf, protocolOf } from '../../lib/aim';
import { affectedText, connectionsKeys, isGoingOn, keysOf, pathOf, report } from '../../lib/findings';
import { visible } from '../../lib/text';
import { CheckForm, Report } from './check';
import styles from './detail.module.css';
import { Grounds } from './grounds';
import { SeverityMark, Sure } from './mark';

export function FindingPage({ id }: { id: string }) {
  const { t } = useTexts();
  const { query, to } = usePlace();
  const answer = useFindingsOf(id);
  return (
    <>
      <p className={styles.back}><a href={to('/findings', { route: null, where: null, ...NO_CHECK })}>{t('findings.back')}</a></p>
      <Answer of={answer} height={320}>
        {({ items }) => {
          const [meant] = [...items.filter((finding) => keysMatch(finding, query)), ...items];
          if (meant === undefined) return <Nothing id={id} />;
          return <One finding={meant} others={items.filter((finding) => finding !== meant)} />;
        }}
      </Answer>
    </>
  );
}

/** The keys of a check beside a finding: that it is open, and its job. */
const NO_CHECK = { check: null, checked: null };

const keysMatch = ({ route, where }: Finding, query: URLSearchParams): boolean =>
  (query.get('route') ?? route) === route && (query.get('where') ?? where) === where;

function Nothing({ id }: { id: string }) {
  const { t } = useTexts();
  return (
    <>
      <PageHead title={visible(id)} />
      <p>{t('findings.nothing')} <Manual id={id} /></p>
    </>
  );
}

/** The page of the handbook, which the gateway writes. */
function Manual({ id }: { id: string }) {
  const { t, language } = useTexts();
  return <a className={styles.link} href={`findings/${encodeURIComponent(id)}?lang=${language}`}>{t('findings.manual')}</a>;
}

function One({ finding, others }: { finding: Finding; others: Finding[] }) {
  const { t, format } = useTexts();
  const { to, query, link } = usePlace();
  const { id, code, title, severity, level, confidence, where, route, since, until, affected, doubt } = finding;
  const keys = connectionsKeys(finding);
  const when = (time: string) => format.timestamp(new Date(time));
  return (
    <>
      <PageHead title={visible(title)}>
        <Copy value={report(finding, t, format)}>{t('findings.copyReport')}</Copy>
        {query.get('check') === null && <Button size="compact-xs" variant="default" component="a" href={link({ check: '1' })}>{t('findings.checkNow')}</Button>}
        {isGoingOn(finding) && doubt === undefined && <NotThis finding={finding} />}
      </PageHead>
      {doubt !== undefined && <Doubted finding={finding} />}
      <div className={styles.top}>
        <Facts
          facts={[
            [t('findings.severity'), <span className={styles.severity}><SeverityMark severity={severity} /> {t(`word.severity.${severity}`)}</span>],
            [t('findings.sure'), <Sure level={level} confidence={confidence} />],
            [t('findings.where'), t(`word.place.${where}`)],
          ]}
        />
        <Facts
          facts={[
            [t('findings.route'), route === null ? t('findings.anyRoute') : <bdi>{visible(route)}</bdi>],
            [t('findings.since'), since === null ? '–' : when(since)],
            [t('findings.until'), until === null ? t('findings.goesOn') : when(until)],
          ]}
        />
        <Facts
          facts={[
            [t('findings.affected'), affected === null ? '–' : affectedText(affected, t, format)],
            [t('findings.connectionsOf'), keys === null ? '–' : <a className={styles.link} href={to('/connections', keys)}>{t('findings.showConnections')}</a>],
            [<code>{code}</code>, <Manual id={id} />],
          ]}
        />
      </div>
      {query.get('check') !== null && <CheckHere finding={finding} />}
      <Grounds finding={finding} />
      {others.length > 0 && (
        <Panel id="others" title={t('findings.others')} className={styles.others}>
          <ul className={styles.sentences}>
            {others.map((other) => (
              <li key={`${other.route} ${other.where} ${other.until}`}>
                <a className={styles.link} href={to(pathOf(other), { ...keysOf(other), ...NO_CHECK })}><bdi>{visible(other.title)}</bdi></a>
                {' '}{t(`word.place.${other.where}`)}
                {other.route !== null && <>, <bdi>{visible(other.route)}</bdi></>}
                {other.since !== null && <>, {when(other.since)} – {other.until === null ? t('findings.goesOn') : when(other.until)}</>}
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}

/** A check of the finding's route, and its report beside the finding. */
function CheckHere({ finding: { route, selection } }: { finding: Finding }) {
  const { t } = useTexts();
  const { query, change } = usePlace();
  const [settings, probes, limits] = [useSettings(), useProbes(), useLimits()];
  const job = query.get('checked');
  const isKnown = [settings, probes, limits].every(({ isPending }) => !isPending);
  const known = { settings: settings.data?.items ?? [], probes: probes.data?.items ?? [], limits: limits.data?.items ?? [] };
  return (
    <Panel
      id="check" title={t('findings.checkHere')} help={t('findings.checkHelp')} className={styles.check}
      aside={<Button size="compact-xs" variant="default" onClick={() => change(NO_CHECK)}>{t('findings.checkClose')}</Button>}
    >
      {isKnown
        ? <CheckForm filled={aimOf(route, protocolOf(selection?.filter), known)} onAsked={(checked) => change({ checked })} />
        : <Skeleton height={60} m={12} aria-label={t('app.loading')} />}
      {job !== null && <Report key={job} id={job} suffix="-now" />}
    </Panel>
  );
}

/** Somebody knows better. */
function NotThis({ finding }: { finding: Finding }) {
  const { t } = useTexts();
  const { mutate, isPending, error } = useFeedback(finding);
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState('');
  const send = (event: FormEvent) => {
    event.preventDefault();
    mutate({ wrong: true, note });
  };
  if (!open) return <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>{t('findings.notThis')}</Button>;
  return (
    <form className={styles.feedback} onSubmit={send}>
      <TextInput
        size="xs" value={note} maxLength={500} placeholder={t('findings.why')} aria-label={t('findings.why')} data-autofocus autoFocus
        onChange={({ currentTarget }) => setNote(currentTarget.value)} error={error?.message}
      />
      <Button size="xs" type="submit" loading={isPending}>{t('findings.markWrong')}</Button>
      <Button size="xs" variant="subtle" onClick={() => setOpen(false)}>{t('app.cancel')}</Button>
    </form>
  );
}

function Doubted({ finding }: { finding: Finding }) {
  const { t, format } = useTexts();
  const { mutate, isPending } = useFeedback(finding);
  const { at, note } = finding.doubt ?? { at: '', note: '' };
  return (
    <div className={styles.doubted} role="status">
      <div>
        <strong>{t('findings.doubtedAt', { time: format.timestamp(new Date(at)) })}</strong>
        {note !== '' && <> “<bdi>{visible(note)}</bdi>”</>}
        {' '}{t('findings.doubtedHelp')}
      </div>
      {isGoingOn(finding) && (
        <Button size="compact-xs" variant="default" loading={isPending} onClick={() => mutate({ wrong: false, note: '' })}>{t('findings.takeBack')}</Button>
      )}
    </div>
  );
}
